"""The two causal streams of PixelCNN++, and the layers that work on both.

Salimans et al. 2017, section 2.3 and 2.4, after openai/pixel-cnn `model.py`.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.causal_memory import CausalMemory, Key, column_of, merged
from agave_tf.layers.gated_resnet import GatedResnet
from agave_tf.layers.shifted_convolution import (
    DownRightShiftedConv2D,
    DownRightShiftedConv2DTranspose,
    DownShiftedConv2D,
    DownShiftedConv2DTranspose,
)
from agave_tf.randomness import DropoutSeed


class Streams(NamedTuple):
    """The two causal feature streams, each [B,h,w,F]."""

    down: tf.Tensor  # sees the rows above
    down_right: tf.Tensor  # sees the rows above, and its own row up to its column


class ResnetPair(BaseLayer):
    """One PixelCNN++ layer: a gated resnet in each stream, down feeding down_right.

    Streams of [B,h,w,filters] in and out.

    Args:
      filters: channels of both streams.
      has_skip: whether it also takes Streams from the first half of the network.
      condition_channels, num_classes, nonlinearity, dropout_rate: as GatedResnet
        takes them.
      name: of the layer.
    """

    def __init__(
        self,
        filters: int,
        has_skip: bool = False,
        condition_channels: int = 0,
        num_classes: int = 0,
        nonlinearity: str = "concat_elu",
        dropout_rate: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(name)
        self.filters, self.has_skip = filters, has_skip
        self.architecture = (
            filters,
            has_skip,
            condition_channels,
            num_classes,
            nonlinearity,
            dropout_rate,
        )
        shared: dict[str, Any] = dict(
            filters=filters,
            condition_channels=condition_channels,
            num_classes=num_classes,
            nonlinearity=nonlinearity,
            dropout_rate=dropout_rate,
        )
        self.down = GatedResnet(
            DownShiftedConv2D,
            skip_channels=filters if has_skip else 0,
            name="down",
            **shared,
        )
        self.down_right = GatedResnet(
            DownRightShiftedConv2D,
            skip_channels=2 * filters if has_skip else filters,
            name="down_right",
            **shared,
        )
        self.built = True

    def call(
        self,
        streams: Streams,
        skip: Streams | None = None,
        one_hot_label: tf.Tensor | None = None,
        condition: tf.Tensor | None = None,
        dropout_seeds: tuple[DropoutSeed | None, DropoutSeed | None] = (None, None),
    ) -> Streams:
        down = self.down(
            streams.down,
            None if skip is None else skip.down,
            one_hot_label,
            condition,
            dropout_seed=dropout_seeds[0],
        )
        beside = down if skip is None else tf.concat([down, skip.down_right], axis=-1)
        down_right = self.down_right(
            streams.down_right,
            beside,
            one_hot_label,
            condition,
            dropout_seed=dropout_seeds[1],
        )
        return Streams(down, down_right)

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory before the first row, all zero.

        With a skip, `down` [B,1,w,F] is the down stream's current row.
        """
        row = {(self, "down"): tf.zeros([batch, 1, width, self.filters])}
        blocks = (self.down, self.down_right)
        layers = [x for block in blocks for x in (block.conv_in, block.conv_out)]
        return (row if self.has_skip else {}) | merged(
            x.first_memory(batch, width) for x in layers
        )

    def next_row(
        self,
        down: tf.Tensor,
        skip: tf.Tensor | None,
        one_hot_label: tf.Tensor | None,
        condition: tf.Tensor | None,
        memory: CausalMemory,
    ) -> tf.Tensor:
        """Computes the down stream's next row [B,1,w,F], and prepares its pixels.

        Args:
          down: [B,1,w,F], the row of the layer below.
          skip: [B,1,w,F], or None.
          one_hot_label: [B,num_classes], or None.
          condition: [B,1,w,condition_channels], or None.
          memory: to read and update.
        """
        outside = (one_hot_label, condition)
        down = self.down(down, skip, *outside, memory=memory)
        beside = None if self.has_skip else down
        self.down_right.begin_row(memory, beside, *outside)
        if self.has_skip:
            memory[self, "down"] = down
        return down

    def next_pixel(
        self, down_right: tf.Tensor, skip: tf.Tensor | None, memory: CausalMemory
    ) -> tf.Tensor:
        """Computes the down-right stream's next pixel [B,1,1,F].

        `down_right` and `skip` are pixels [B,1,1,F]; `skip` is None without a skip.
        """
        beside = None
        if self.has_skip:
            down = column_of(memory[self, "down"], memory.column)
            beside = tf.concat([down, skip], axis=-1)
        return self.down_right(down_right, beside, memory=memory)


class ResizePair(BaseLayer):
    """Halves or doubles the size of both streams.

    Streams of [B,h,w,F] -> [B,h/2,w/2,F] by strided convolutions, or [B,2h,2w,F] by
    transposed ones.

    Args:
      filters: F.
      enlarge: True doubles, False halves.
      name: of the layer.
    """

    def __init__(self, filters: int, enlarge: bool, name: str):
        super().__init__(name)
        self.filters = filters
        if enlarge:
            self.down = DownShiftedConv2DTranspose(filters, filters, name="down")
            self.down_right = DownRightShiftedConv2DTranspose(
                filters, filters, name="down_right"
            )
        else:
            self.down = DownShiftedConv2D(filters, filters, strides=2, name="down")
            self.down_right = DownRightShiftedConv2D(
                filters, filters, strides=2, name="down_right"
            )
        self.built = True

    def call(self, streams: Streams) -> Streams:
        return Streams(self.down(streams.down), self.down_right(streams.down_right))

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory of a halving pair before the first row; `width` is its input's."""
        layers = (self.down, self.down_right)
        return merged(layer.first_memory(batch, width) for layer in layers)

    def first_enlarged(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory of a doubling pair before the first row.

        It computes two rows [B,2,width,F] of each stream at a time, kept as `down` and
        `down_right`.
        """
        rows = tf.zeros([batch, 2, width, self.filters])
        return {(self, "down"): rows, (self, "down_right"): rows}
