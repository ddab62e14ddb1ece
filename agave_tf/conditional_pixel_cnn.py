"""PixelCNN++, with an optional spatial condition and optional class labels.

Salimans et al. 2017, after openai/pixel-cnn `model.py`; the condition is Lucas &
Verbeek 2018, section 3: f(z) enters through a stream of ordinary convolutions.
"""

from collections.abc import Iterator

import keras
import tensorflow as tf

from agave_tf.config import PixelCNNConfig
from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
    num_parameters,
)
from agave_tf.layers.causal_streams import ImageInput, ResizePair, ResnetPair
from agave_tf.layers.condition_stream import ConditionStream, enlarge
from agave_tf.layers.weight_norm import (
    WeightNormConv2D,
    data_dependent_initialization,
)
from agave_tf.randomness import DropoutSeed

NUM_RESOLUTIONS = 3


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
                    ResnetPair(
                        filters,
                        has_skip=is_second_half,
                        condition_channels=condition,
                        num_classes=config.num_classes,
                        nonlinearity=config.nonlinearity,
                        dropout_rate=config.dropout_rate,
                        name=f"layer_{stage}_{i}",
                    )
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
        return self.condition_stream(enlarge(f_z, factor))

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
