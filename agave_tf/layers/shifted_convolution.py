"""Convolutions that see only pixels above, or above and to the left.

Salimans et al. 2017 (PixelCNN++) section 2.3, after openai/pixel-cnn `nn.py`: instead
of masking a kernel, pad the image on one side and use a smaller kernel. Two streams:
`down` sees the rows above and its own row (the original's u), `down_right` sees the
rows above and its own row up to its own column (the original's ul); shifting makes
"own" exclusive.
"""

import tensorflow as tf

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


class DownShiftedConv2DTranspose(WeightNormConv2DTranspose):
    """Doubles the size of the `down` stream without looking below."""

    def __init__(self, in_channels: int, filters: int, name: str | None = None):
        super().__init__(in_channels, filters, (2, 3), crop_corner=(0, 1), name=name)


class DownRightShiftedConv2DTranspose(WeightNormConv2DTranspose):
    """Doubles the size of the `down_right` stream without looking below or right."""

    def __init__(self, in_channels: int, filters: int, name: str | None = None):
        super().__init__(in_channels, filters, (2, 2), crop_corner=(0, 0), name=name)
