"""Convolutions that see only pixels above, or above and to the left.

Salimans et al. 2017 (PixelCNN++) section 2.3, after openai/pixel-cnn `nn.py`: instead
of masking a kernel, pad the image on one side and use a smaller kernel. Two streams:
`down` sees the rows above and its own row (the original's u), `down_right` sees the
rows above and its own row up to its own column (the original's ul); shifting makes
"own" exclusive.

Given a `CausalMemory`, a convolution takes one row (`down`) or one pixel (`down_right`)
at a time: what came before is in its memory, where the whole image has its padding.
"""

import tensorflow as tf

from agave_tf.layers.causal_memory import CausalMemory, Key, column_of, with_columns
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose


def down_shift(x: tf.Tensor) -> tf.Tensor:
    """Moves [B,H,W,F] down by one row; zeros come in on top."""
    return tf.pad(x[:, :-1], [[0, 0], [1, 0], [0, 0], [0, 0]])


def right_shift(x: tf.Tensor) -> tf.Tensor:
    """Moves [B,H,W,F] right by one column; zeros come in on the left."""
    return tf.pad(x[:, :, :-1], [[0, 0], [0, 0], [1, 0], [0, 0]])


class DownShiftedConv2D(WeightNormConv2D):
    """Each output sees kernel_height rows ending at its own, centred on its column."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: tuple[int, int] = (2, 3),
        strides: int = 1,
        init_scale: float = 1.0,
        name: str | None = None,
    ):
        height, width = kernel_size
        padding = ((height - 1, 0), ((width - 1) // 2, (width - 1) // 2))
        super().__init__(
            in_channels,
            filters,
            kernel_size,
            strides,
            padding,
            init_scale=init_scale,
            name=name,
        )

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The rows that an output sees, the last being its own; before the image."""
        rows = tf.zeros([batch, self.kernel_size[0], width, self.in_channels])
        return {(self, "rows"): rows}

    def call(self, x: tf.Tensor, memory: CausalMemory | None = None) -> tf.Tensor:
        """[B,H,W,in]; or with a memory the next row of that, [B,1,W,in]."""
        if memory is None:
            return super().call(x)
        self.remember(x, memory)
        return self.step(memory)

    def remember(self, x: tf.Tensor, memory: CausalMemory) -> None:
        """Takes in the next row [B,1,W,in]."""
        memory[self, "rows"] = tf.concat([memory[self, "rows"][:, 1:], x], axis=1)

    def step(self, memory: CausalMemory) -> tf.Tensor:
        """The output [B,1,W/s,filters] for the row that was remembered last."""
        _, (left, right) = self.padding
        rows = tf.pad(memory[self, "rows"], [[0, 0], [0, 0], [left, right], [0, 0]])
        return tf.nn.conv2d(rows, self.kernel(), self.strides, "VALID") + self.b


class DownRightShiftedConv2D(WeightNormConv2D):
    """Each output sees rows and columns that end at its own."""

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: tuple[int, int] = (2, 2),
        strides: int = 1,
        init_scale: float = 1.0,
        name: str | None = None,
    ):
        height, width = kernel_size
        padding = ((height - 1, 0), (width - 1, 0))
        super().__init__(
            in_channels,
            filters,
            kernel_size,
            strides,
            padding,
            init_scale=init_scale,
            name=name,
        )

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """Its own row of the input, with the padding, and what outputs are known to be.

        `row` [B,1,kw-1+W,in] is the row above until pixels are remembered; `known`
        [B,1,W/s,filters] is the part of each output that does not depend on its row.
        """
        row_width = self.kernel_size[1] - 1 + width
        outputs = [batch, 1, width // self.strides, self.b.shape[0]]
        return {
            (self, "row"): tf.zeros([batch, 1, row_width, self.in_channels]),
            (self, "known"): tf.zeros(outputs),
        }

    def call(self, x: tf.Tensor, memory: CausalMemory | None = None) -> tf.Tensor:
        """[B,H,W,in]; or with a memory the next pixel of that, [B,1,1,in]."""
        if memory is None:
            return super().call(x)
        self.remember(x, memory)
        return self.step(memory)

    def from_above(self, memory: CausalMemory) -> tf.Tensor:
        """At the start of a row: what the row above adds to its outputs, and b."""
        above = self.kernel()[:-1]
        return tf.nn.conv2d(memory[self, "row"], above, self.strides, "VALID") + self.b

    def remember(self, x: tf.Tensor, memory: CausalMemory) -> None:
        """Takes in the pixel [B,1,1,in] at the memory's column."""
        position = memory.column + self.kernel_size[1] - 1
        memory[self, "row"] = with_columns(memory[self, "row"], x, position)

    def step(self, memory: CausalMemory) -> tf.Tensor:
        """The output [B,1,1,filters] for the pixel that was remembered last."""
        width = self.kernel_size[1]
        seen = column_of(memory[self, "row"], memory.column, width)
        kernel = self.kernel()[-1]
        matrix = tf.reshape(kernel, [-1, kernel.shape[-1]])
        own = tf.matmul(tf.reshape(seen, [-1, matrix.shape[0]]), matrix)
        known = column_of(memory[self, "known"], memory.column // self.strides)
        return known + own[:, None, None]


class DownShiftedConv2DTranspose(WeightNormConv2DTranspose):
    """Doubles the size of the `down` stream without looking below."""

    def __init__(self, in_channels: int, filters: int, name: str | None = None):
        super().__init__(in_channels, filters, (2, 3), crop_corner=(0, 1), name=name)


class DownRightShiftedConv2DTranspose(WeightNormConv2DTranspose):
    """Doubles the size of the `down_right` stream without looking below or right."""

    def __init__(self, in_channels: int, filters: int, name: str | None = None):
        super().__init__(in_channels, filters, (2, 2), crop_corner=(0, 0), name=name)
