"""The two causal streams of PixelCNN++, and the layers that work on both.

Salimans et al. 2017, section 2.3 and 2.4, after openai/pixel-cnn `model.py`.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.layers.gated_resnet import GatedResnet
from agave_tf.layers.shifted_convolution import (
    DownRightShiftedConv2D,
    DownRightShiftedConv2DTranspose,
    DownShiftedConv2D,
    DownShiftedConv2DTranspose,
    down_shift,
    right_shift,
)
from agave_tf.randomness import DropoutSeed


class Streams(NamedTuple):
    """The two causal feature streams, each [B,h,w,F]."""

    down: tf.Tensor  # sees the rows above
    down_right: tf.Tensor  # sees the rows above, and what is left in its row


class ImageInput(keras.layers.Layer):
    """The first layer: each stream sees only what comes before its pixel.

    [B,H,W,C] -> Streams of [B,H,W,F]. A channel of ones tells the network where the
    zero padding is.
    """

    def __init__(self, image_channels: int, filters: int, name: str):
        super().__init__(name=name)
        channels = image_channels + 1
        self.above = DownShiftedConv2D(channels, filters, (2, 3), name="above")
        self.row_above = DownShiftedConv2D(channels, filters, (1, 3), name="row_above")
        self.left = DownRightShiftedConv2D(channels, filters, (2, 1), name="left")
        self.built = True

    def call(self, image: tf.Tensor) -> Streams:
        x = tf.concat([image, tf.ones_like(image[..., :1])], axis=-1)
        return Streams(
            down=down_shift(self.above(x)),
            down_right=down_shift(self.row_above(x)) + right_shift(self.left(x)),
        )


class ResnetPair(keras.layers.Layer):
    """One PixelCNN++ layer: a gated resnet in each stream, down feeding down_right.

    Streams of [B,h,w,filters] in and out.

    Args:
      filters: channels of both streams.
      has_skip: whether it takes Streams from the first half of the network too.
      condition_channels, num_classes, nonlinearity, dropout_rate: as GatedResnet's.
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
        super().__init__(name=name)
        shared = dict(
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


class ResizePair(keras.layers.Layer):
    """Halves (or doubles) both streams by strided (or transposed) convolutions."""

    def __init__(self, filters: int, enlarge: bool, name: str):
        super().__init__(name=name)
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
