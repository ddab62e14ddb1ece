"""The first layer of PixelCNN++, which shifts the image out of its own pixels' sight.

Salimans et al. 2017, after openai/pixel-cnn `model.py`.
"""

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.causal_memory import CausalMemory, Key, column_of, merged
from agave_tf.layers.causal_streams import Streams
from agave_tf.layers.shifted_convolution import (
    DownRightShiftedConv2D,
    DownShiftedConv2D,
    down_shift,
    right_shift,
)
from agave_tf.weights.in_use import arithmetic_in_use


class ImageInput(BaseLayer):
    """The first layer: each stream sees only the pixels before its own.

    [B,H,W,C] -> Streams of [B,H,W,F]. A channel of ones tells the network where the
    zero padding is.

    Args:
      image_channels: C.
      filters: F.
      name: of the layer.
    """

    def __init__(self, image_channels: int, filters: int, name: str):
        super().__init__(name)
        self.filters = filters
        channels = image_channels + 1
        self.above = DownShiftedConv2D(channels, filters, (2, 3), name="above")
        self.row_above = DownShiftedConv2D(channels, filters, (1, 3), name="row_above")
        self.left = DownRightShiftedConv2D(channels, filters, (2, 1), name="left")
        self.built = True

    def call(self, image: tf.Tensor) -> Streams:
        x = _with_ones(image)
        return Streams(
            down=down_shift(self.above(x)),
            down_right=down_shift(self.row_above(x)) + right_shift(self.left(x)),
        )

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory before the first row, all zero.

        `known` [B,1,W,F] is what the row above adds to the down-right stream.
        """
        zeros = arithmetic_in_use().zeros([batch, 1, width, self.filters])
        known = {(self, "known"): zeros}
        layers = (self.above, self.row_above, self.left)
        return known | merged(x.first_memory(batch, width) for x in layers)

    def begin_row(
        self, row_above: tf.Tensor, is_first: tf.Tensor, memory: CausalMemory
    ) -> tf.Tensor:
        """Computes the down stream's next row [B,1,W,F], and prepares its pixels.

        Args:
          row_above: [B,1,W,C] of the image; ignored in the first row.
          is_first: bool scalar; the first row has none above it, so both shifts bring
            in zeros.
          memory: to read and update.
        """
        zero = arithmetic_in_use().zero
        x = tf.where(is_first, zero, _with_ones(row_above))
        down = self.above(x, memory=memory)
        from_above = self.row_above(x, memory=memory)
        memory[self, "known"] = tf.where(is_first, zero, from_above)
        self.left.begin_row(self.left.from_above(memory), memory)
        return tf.where(is_first, zero, down)

    def next_pixel(self, pixel_left: tf.Tensor, memory: CausalMemory) -> tf.Tensor:
        """Computes the down-right stream's next pixel [B,1,1,F].

        `pixel_left` is the image's pixel [B,1,1,C] before it; ignored in column 0.
        """
        column = memory.column
        memory.column = tf.maximum(column - 1, 0)
        from_left = self.left(_with_ones(pixel_left), memory=memory)
        memory.column = column
        known = column_of(memory[self, "known"], column)
        zero = arithmetic_in_use().zero
        return known + tf.where(column == 0, zero, from_left)


def _with_ones(image: tf.Tensor) -> tf.Tensor:
    return tf.concat([image, tf.ones_like(image[..., :1])], axis=-1)
