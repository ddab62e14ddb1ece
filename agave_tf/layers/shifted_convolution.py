"""Convolutions that see only pixels above, or above and to the left.

Salimans et al. 2017 (PixelCNN++) section 2.3, after openai/pixel-cnn `nn.py`: instead
of masking a kernel, pad the image on one side and use a smaller kernel. Two streams:
`down` sees the rows above and its own row (the original's u), `down_right` sees the
rows above and its own row up to its own column (the original's ul); shifting makes
"own" exclusive.

With a `CausalMemory`, a convolution takes one row (`down`) or one pixel (`down_right`)
at a time and reads the rows and pixels before it from the memory.
"""

import tensorflow as tf

from agave_tf.layers.causal_memory import CausalMemory, Key, column_of, with_columns
from agave_tf.layers.convolution import Padding, sides_of
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose
from agave_tf.weights.in_use import (
    KernelParts,
    arithmetic_in_use,
    kernel_in_use,
    value_of,
)


def down_shift(x: tf.Tensor) -> tf.Tensor:
    """Moves [B,H,W,F] down by one row; zeros come in on top."""
    # A slice, because the gradient of x[:, :-1] takes many times as long.
    kept = tf.slice(x, [0, 0, 0, 0], [-1, sides_of(x)[0] - 1, -1, -1])
    return tf.pad(kept, [[0, 0], [1, 0], [0, 0], [0, 0]])


def right_shift(x: tf.Tensor) -> tf.Tensor:
    """Moves [B,H,W,F] right by one column; zeros come in on the left."""
    kept = tf.slice(x, [0, 0, 0, 0], [-1, -1, sides_of(x)[1] - 1, -1])
    return tf.pad(kept, [[0, 0], [0, 0], [1, 0], [0, 0]])


class _ShiftedConv2D(WeightNormConv2D):
    """A convolution padded so that an output sees one side of its position only.

    A subclass defines the padding, and how it reads an image part by part from a
    memory.
    """

    _KERNEL_SIZE: tuple[int, int]

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: tuple[int, int] | None = None,
        strides: int = 1,
        init_scale: float = 1.0,
        name: str | None = None,
    ):
        kernel_size = kernel_size or self._KERNEL_SIZE
        super().__init__(
            in_channels,
            filters,
            kernel_size,
            strides,
            self._padding_of(kernel_size),
            init_scale=init_scale,
            name=name,
        )

    def call(self, x: tf.Tensor, memory: CausalMemory | None = None) -> tf.Tensor:
        """Convolves the whole image, or with a memory its next part.

        Args:
          x: [B,H,W,in]; with a memory, one row [B,1,W,in] of it for `down`, or one
            pixel [B,1,1,in] for `down_right`.
          memory: holds the parts before, in raster order.
        """
        if memory is None:
            return super().call(x)
        self.remember(x, memory)
        return self.step(memory)

    @staticmethod
    def _padding_of(kernel_size: tuple[int, int]) -> Padding:
        raise NotImplementedError

    def remember(self, x: tf.Tensor, memory: CausalMemory) -> None:
        """Stores the next part of the input."""
        raise NotImplementedError

    def step(self, memory: CausalMemory) -> tf.Tensor:
        """Computes the output for the part that was stored last."""
        raise NotImplementedError


class DownShiftedConv2D(_ShiftedConv2D):
    """Each output sees kernel_height rows that end at its own, centred on its column.

    Args:
      in_channels, filters, kernel_size, strides, init_scale, name: as
        WeightNormConv2D takes them; kernel_size is (2, 3) by default.
    """

    _KERNEL_SIZE = (2, 3)

    @staticmethod
    def _padding_of(kernel_size: tuple[int, int]) -> Padding:
        height, width = kernel_size
        return (height - 1, 0), ((width - 1) // 2, (width - 1) // 2)

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory before the first row: the rows that an output sees, all zero."""
        shape = [batch, self.kernel_size[0], width, self.in_channels]
        return {(self, "rows"): arithmetic_in_use().zeros(shape)}

    def remember(self, x: tf.Tensor, memory: CausalMemory) -> None:
        """Stores the next row [B,1,W,in]."""
        rows = memory[self, "rows"][:, 1:]
        memory[self, "rows"] = tf.concat([rows, self.bounded(x)], axis=1)

    def step(self, memory: CausalMemory) -> tf.Tensor:
        """Computes the output [B,1,W/s,filters] for the row that was stored last."""
        _, (left, right) = self._padding_of(self.kernel_size)
        rows = tf.pad(memory[self, "rows"], [[0, 0], [0, 0], [left, right], [0, 0]])
        arithmetic = arithmetic_in_use()
        y = arithmetic.conv2d(rows, self.kernel(), self.strides, "VALID")
        return arithmetic.rounded(y + value_of(self.b))


class DownRightShiftedConv2D(_ShiftedConv2D):
    """Each output sees rows and columns that end at its own.

    Args:
      in_channels, filters, kernel_size, strides, init_scale, name: as
        WeightNormConv2D takes them; kernel_size is (2, 2) by default.
    """

    _KERNEL_SIZE = (2, 2)

    @staticmethod
    def _padding_of(kernel_size: tuple[int, int]) -> Padding:
        height, width = kernel_size
        return (height - 1, 0), (width - 1, 0)

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory before the first row, all zero.

        `row` [B,1,kw-1+W,in] is the input's current row with its padding; a column that
        is not drawn yet still holds the row above. `known` [B,1,W/s,filters] is the
        part of each output of the row that depends on the rows above alone. `next`
        [B,1,1,filters] is the part of the next output that depends on the rows above
        and on the pixels before it.
        """
        row_width = self.kernel_size[1] - 1 + width
        outputs = [batch, 1, width // self.strides, self.b.shape[0]]
        zeros = arithmetic_in_use().zeros
        memory = {
            (self, "row"): zeros([batch, 1, row_width, self.in_channels]),
            (self, "known"): zeros(outputs),
        }
        if self._prepares_next:
            memory[self, "next"] = zeros([batch, 1, 1, self.b.shape[0]])
        return memory

    @property
    def _prepares_next(self) -> bool:
        """Whether a pixel is multiplied once, for its own output and the next one."""
        return self.strides == 1 and self.kernel_size[1] == 2

    def kernel_parts(self) -> KernelParts:
        """`whole`; `above` [kh-1,kw,in,out]; `own`, of a pixel's row, a matrix.

        That is [in,2*out], for the pixel's own output and for the next one, or else
        [kw*in,out], for all the pixels that an output sees.
        """
        if (parts := kernel_in_use(self.v)) is not None:
            return parts
        whole = self.kernel()
        above, own = whole[:-1], whole[-1]
        if self._prepares_next:
            matrix = tf.concat([own[1], own[0]], axis=-1)
        else:
            matrix = tf.reshape(own, [-1, own.shape[-1]])
        return {"whole": whole, "above": above, "own": matrix}

    def from_above(self, memory: CausalMemory) -> tf.Tensor:
        """Computes what the row above adds to a row's outputs, [B,1,W/s,filters].

        The bias b is included, and nothing is rounded yet. To be called before the
        first pixel of a row is stored.
        """
        arithmetic, above = arithmetic_in_use(), self.kernel_parts()["above"]
        y = arithmetic.conv2d(memory[self, "row"], above, self.strides, "VALID")
        return y + value_of(self.b)

    def begin_row(self, known: tf.Tensor, memory: CausalMemory) -> None:
        """Stores what is known of a row's outputs before its first pixel.

        Args:
          known: [B,1,W/s,filters], `from_above` and what else adds to it.
          memory: to update.
        """
        memory[self, "known"] = known
        if self._prepares_next:
            memory[self, "next"] = known[:, :, :1]

    def call(self, x: tf.Tensor, memory: CausalMemory | None = None) -> tf.Tensor:
        if memory is None or not self._prepares_next:
            return super().call(x, memory)
        self.remember(x, memory)
        arithmetic, x = arithmetic_in_use(), self.bounded(x)[:, 0, 0]
        products = arithmetic.matmul(x, self.kernel_parts()["own"])[:, None, None]
        own, following = tf.split(products, 2, axis=-1)
        y = memory[self, "next"] + own
        known, column = memory[self, "known"], memory.column + 1
        known = column_of(known, tf.minimum(column, known.shape[2] - 1))
        memory[self, "next"] = known + following
        return arithmetic.rounded(y)

    def remember(self, x: tf.Tensor, memory: CausalMemory) -> None:
        """Stores the pixel [B,1,1,in] at the memory's column."""
        position = memory.column + self.kernel_size[1] - 1
        row = memory[self, "row"]
        memory[self, "row"] = with_columns(row, self.bounded(x), position)

    def step(self, memory: CausalMemory) -> tf.Tensor:
        """Computes the output [B,1,1,filters] for the pixel that was stored last."""
        width = self.kernel_size[1]
        seen = column_of(memory[self, "row"], memory.column, width)
        arithmetic, matrix = arithmetic_in_use(), self.kernel_parts()["own"]
        own = arithmetic.matmul(tf.reshape(seen, [-1, matrix.shape[0]]), matrix)
        known = column_of(memory[self, "known"], memory.column // self.strides)
        return arithmetic.rounded(known + own[:, None, None])


class DownShiftedConv2DTranspose(WeightNormConv2DTranspose):
    """Doubles the size of the `down` stream without looking below."""

    def __init__(self, in_channels: int, filters: int, name: str | None = None):
        super().__init__(in_channels, filters, (2, 3), crop_corner=(0, 1), name=name)


class DownRightShiftedConv2DTranspose(WeightNormConv2DTranspose):
    """Doubles the size of the `down_right` stream without looking below or right."""

    def __init__(self, in_channels: int, filters: int, name: str | None = None):
        super().__init__(in_channels, filters, (2, 2), crop_corner=(0, 0), name=name)
