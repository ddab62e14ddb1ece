"""PixelCNN++, with an optional spatial condition and optional class labels.

Salimans et al. 2017, after openai/pixel-cnn `model.py`; the condition is Lucas &
Verbeek 2018, section 3: f(z) enters through a stream of ordinary convolutions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.config import PixelCNNConfig
from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
    num_parameters,
)
from agave_tf.layers.gated_resnet import GatedResnet
from agave_tf.layers.shifted_convolution import (
    DownRightShiftedConv2D,
    DownRightShiftedConv2DTranspose,
    DownShiftedConv2D,
    DownShiftedConv2DTranspose,
    down_shift,
    right_shift,
)
from agave_tf.layers.weight_norm import (
    WeightNormConv2D,
    data_dependent_initialization,
)
from agave_tf.randomness import DropoutSeed

NUM_RESOLUTIONS = 3


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
    """One PixelCNN++ layer: a gated resnet in each stream, down feeding down_right."""

    def __init__(
        self,
        config: PixelCNNConfig,
        has_skip: bool,
        condition_channels: int,
        name: str,
    ):
        super().__init__(name=name)
        filters = config.num_filters
        shared = dict(
            filters=filters,
            condition_channels=condition_channels,
            num_classes=config.num_classes,
            nonlinearity=config.nonlinearity,
            dropout_rate=config.dropout_rate,
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


class ConditionStream(keras.layers.Layer):
    """Ordinary convolutions of f(z), one 3x3 residual layer per PixelCNN++ layer.

    It halves and doubles where the PixelCNN++ does, and on the way back adds what it
    knew at that resolution. Ours, where the paper is silent: residual connections and
    elu, because a plain chain of 6 * num_resnets + 2 convolutions trains badly.

    f(z) at the image's size [B,H,W,c] -> features [B,h_i,w_i,F] of PixelCNN++ layer i.
    """

    def __init__(self, layers_at: list[int], in_channels: int, filters: int, name: str):
        super().__init__(name=name)
        self.layers_at = tuple(layers_at)
        self.first = WeightNormConv2D(in_channels, filters, (3, 3), name="first")
        self.shrink = [
            WeightNormConv2D(filters, filters, (3, 3), 2, name=f"shrink_{i}")
            for i in range(NUM_RESOLUTIONS - 1)
        ]
        self.convolutions = [
            [
                WeightNormConv2D(
                    filters, filters, (3, 3), init_scale=0.1, name=f"conv_{stage}_{i}"
                )
                for i in range(num_layers)
            ]
            for stage, num_layers in enumerate(layers_at)
        ]
        self.built = True

    def call(self, f_z: tf.Tensor) -> list[tf.Tensor]:
        h = self.first(f_z)
        features, at_resolution = [], []
        for stage, convolutions in enumerate(self.convolutions):
            if 0 < stage < NUM_RESOLUTIONS:
                at_resolution.append(h)
                h = self.shrink[stage - 1](tf.nn.elu(h))
            elif stage > NUM_RESOLUTIONS:
                h = tf.repeat(tf.repeat(h, 2, axis=1), 2, axis=2) + at_resolution.pop()
            for convolution in convolutions:
                h += convolution(tf.nn.elu(h))
                features.append(h)
        return features


class ConditionalPixelCNN(keras.layers.Layer):
    """The autoregressive decoder p(x|z), x [B,H,W,C] with H and W multiples of 4.

    Args:
      config: widths, depth, dropout, classes.
      image_channels: C, 3 or 1.
      f_z_channels: channels of f(z); 0 for a PixelCNN++ without a spatial condition.
      name: of the layer.
    """

    def __init__(
        self,
        config: PixelCNNConfig,
        image_channels: int,
        f_z_channels: int = 0,
        name: str = "pixel_cnn",
    ):
        super().__init__(name=name)
        self.config, self.image_channels = config, image_channels
        filters, resnets = config.num_filters, config.num_resnets
        condition = filters if f_z_channels else 0
        # Layers at full, half, quarter resolution, and at quarter, half, full again.
        layers_at = [resnets, resnets, resnets, resnets, resnets + 1, resnets + 1]
        self.image_input = ImageInput(image_channels, filters, name="input")
        self.stages, self.resizes = [], []
        for stage, num_layers in enumerate(layers_at):
            is_second_half = stage >= NUM_RESOLUTIONS
            if stage not in (0, NUM_RESOLUTIONS):
                self.resizes.append(
                    ResizePair(filters, is_second_half, name=f"resize_{stage}")
                )
            self.stages.append(
                [
                    ResnetPair(config, is_second_half, condition, f"layer_{stage}_{i}")
                    for i in range(num_layers)
                ]
            )
        self.head = WeightNormConv2D(
            filters, num_parameters(image_channels, config.num_mixtures), name="head"
        )
        self.condition_stream = None
        if f_z_channels:
            self.condition_stream = ConditionStream(
                layers_at, f_z_channels, filters, name="condition"
            )
        self.built = True

    def condition(self, f_z: tf.Tensor, size: tuple[int, int]) -> list[tf.Tensor]:
        """The condition of every layer, from f(z) [B,h,w,c]; computed once per f(z)."""
        factor = size[0] // f_z.shape[1]
        upsampled = tf.repeat(tf.repeat(f_z, factor, axis=1), factor, axis=2)
        return self.condition_stream(upsampled)

    def call(
        self,
        image: tf.Tensor,
        condition: list[tf.Tensor] | None = None,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """The parameters of p(x|z) for every pixel, given the pixels before it.

        Args:
          image: x [B,H,W,C] in [-1,1].
          condition: from method `condition`, or None.
          label: int32 [B], or None.
          dropout_seed: None switches dropout off.

        Returns:
          [B,H,W,P], what `likelihood` takes.
        """
        one_hot_label = None
        if self.config.num_classes and label is not None:
            one_hot_label = tf.one_hot(label, self.config.num_classes)
        rest = self._layer_inputs(condition, dropout_seed)
        resizes = iter(self.resizes)

        streams = self.image_input(image)
        skips = [streams]
        # Down to a quarter of the resolution, remembering every output.
        for stage, layers in enumerate(self.stages[:NUM_RESOLUTIONS]):
            if stage > 0:
                streams = next(resizes)(streams)
                skips.append(streams)
            for layer in layers:
                streams = layer(streams, one_hot_label=one_hot_label, **next(rest))
                skips.append(streams)
        streams = skips.pop()
        # And back, taking the outputs in reverse.
        for stage, layers in enumerate(self.stages[NUM_RESOLUTIONS:]):
            if stage > 0:
                streams = next(resizes)(streams)
            for layer in layers:
                streams = layer(
                    streams, skips.pop(), one_hot_label=one_hot_label, **next(rest)
                )
        return self.head(tf.nn.elu(streams.down_right))

    def _layer_inputs(
        self, condition: list[tf.Tensor] | None, dropout_seed: DropoutSeed | None
    ) -> Iterator[dict]:
        """The condition and the two dropout seeds of each layer in turn."""
        num_layers = sum(len(layers) for layers in self.stages)
        seeds: list = [None] * (2 * num_layers)
        if dropout_seed is not None and self.config.dropout_rate > 0:
            seeds = dropout_seed.split(2 * num_layers)
        pairs = zip(seeds[::2], seeds[1::2], strict=True)
        for feature, pair in zip(condition or [None] * num_layers, pairs, strict=True):
            yield {"condition": feature, "dropout_seeds": pair}

    def likelihood(self, parameters: tf.Tensor) -> DiscretizedLogisticMixture:
        """p(x|z), batch [B,H,W], event [C], for x in [-1,1]."""
        return DiscretizedLogisticMixture(parameters, self.image_channels)

    def initialize(
        self,
        image: tf.Tensor,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """Data-dependent initialisation of all but the condition, on x [B,H,W,C]."""
        with data_dependent_initialization():
            return self(image, label=label, dropout_seed=dropout_seed)

    def initialize_condition(self, f_z: tf.Tensor, size: tuple[int, int]) -> None:
        """Data-dependent initialisation of the condition stream on f(z) [B,h,w,c]."""
        with data_dependent_initialization():
            self.condition(f_z, size)
