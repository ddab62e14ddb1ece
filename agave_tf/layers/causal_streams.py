"""The two causal streams of PixelCNN++, and the layers that work on both.

Salimans et al. 2017, section 2.3 and 2.4, after openai/pixel-cnn `model.py`.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.causal_memory import CausalMemory, Key, column_of, merged
from agave_tf.layers.gated_resnet import GatedResnet
from agave_tf.layers.repeated import RepeatedLayer, repeated
from agave_tf.layers.shifted_convolution import (
    DownRightShiftedConv2D,
    DownRightShiftedConv2DTranspose,
    DownShiftedConv2D,
    DownShiftedConv2DTranspose,
)
from agave_tf.randomness import DropoutSeed
from agave_tf.weights.in_use import arithmetic_in_use


class Streams(NamedTuple):
    """The two causal feature streams, each [B,h,w,F]."""

    down: tf.Tensor  # sees the rows above
    down_right: tf.Tensor  # sees the rows above, and its own row up to its column


class LayerSideInputs(NamedTuple):
    """The side inputs of one layer."""

    one_hot_label: tf.Tensor | None  # [B,num_classes]
    condition: tf.Tensor | None  # [B,h,w,F]
    down_seed: DropoutSeed | None
    down_right_seed: DropoutSeed | None


@dataclasses.dataclass(frozen=True)
class SideInputs:
    """The inputs of a network's layers that are not streams.

    Not a tuple, because Keras takes no tuple of tensors and others in a layer's call.

    one_hot_label: [B,num_classes]; None: no label.
    conditions: one [B,h,w,F] for each layer; empty: no condition.
    dropout_seeds: two for each layer, of both streams; empty: no dropout.
    """

    one_hot_label: tf.Tensor | None = None
    conditions: Sequence[tf.Tensor] = ()
    dropout_seeds: Sequence[DropoutSeed] = ()

    def of_layer(self, number: int) -> LayerSideInputs:
        """The inputs of layer `number`, counted from 0."""
        return LayerSideInputs(
            self.one_hot_label,
            self.conditions[number] if self.conditions else None,
            self.dropout_seeds[2 * number] if self.dropout_seeds else None,
            self.dropout_seeds[2 * number + 1] if self.dropout_seeds else None,
        )


NO_SIDE_INPUTS = SideInputs()


class ResnetPair(RepeatedLayer):
    """One PixelCNN++ layer: a gated resnet in each stream, down feeding down_right.

    Streams of [B,h,w,filters] in and out.

    Args:
      filters: channels of both streams.
      has_skip: whether it also takes Streams from the first half of the network.
      condition_channels, num_classes, nonlinearity, dropout_rate: as GatedResnet
        takes them.
      number: the layer's number in its network, from 0; it chooses the layer's dropout
        seeds and its condition among those of all layers.
      recompute, num_alike, name: as RepeatedLayer takes them.
    """

    def __init__(
        self,
        filters: int,
        has_skip: bool = False,
        condition_channels: int = 0,
        num_classes: int = 0,
        nonlinearity: str = "concat_elu",
        dropout_rate: float = 0.0,
        number: int = 0,
        recompute: bool = False,
        num_alike: int = 1,
        name: str | None = None,
    ):
        super().__init__(name, recompute, num_alike)
        self.filters, self.has_skip, self.number = filters, has_skip, number
        outside = (condition_channels, num_classes, nonlinearity, dropout_rate)
        self.architecture = (filters, has_skip, *outside)
        self.down = GatedResnet(
            DownShiftedConv2D,
            filters,
            filters if has_skip else 0,
            *outside,
            name="down",
        )
        self.down_right = GatedResnet(
            DownRightShiftedConv2D,
            filters,
            2 * filters if has_skip else filters,
            *outside,
            name="down_right",
        )
        self.built = True

    def call(
        self,
        streams: Streams,
        skip: Streams | None = None,
        side: SideInputs = NO_SIDE_INPUTS,
    ) -> Streams:
        """Computes both streams of the layer above.

        Args:
          streams: of the layer below.
          skip: of the first half, for a layer with `has_skip`.
          side: of all layers of the network, among which are this one's.
        """
        return self._both(streams, skip, *side.of_layer(self.number))

    @repeated
    def _both(
        self,
        streams: Streams,
        skip: Streams | None,
        one_hot_label: tf.Tensor | None,
        condition: tf.Tensor | None,
        down_seed: DropoutSeed | None,
        down_right_seed: DropoutSeed | None,
    ) -> Streams:
        outside = (one_hot_label, condition)
        skip_down = None if skip is None else skip.down
        down = self.down(streams.down, skip_down, *outside, dropout_seed=down_seed)
        beside = down if skip is None else tf.concat([down, skip.down_right], axis=-1)
        down_right = self.down_right(
            streams.down_right, beside, *outside, dropout_seed=down_right_seed
        )
        return Streams(down, down_right)

    def first_memory(self, batch: int, width: int) -> dict[Key, tf.Tensor]:
        """The memory before the first row, all zero.

        With a skip, `down` [B,1,w,F] is the down stream's current row.
        """
        zeros = arithmetic_in_use().zeros([batch, 1, width, self.filters])
        row = {(self, "down"): zeros}
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
        rows = arithmetic_in_use().zeros([batch, 2, width, self.filters])
        return {(self, "down"): rows, (self, "down_right"): rows}
