"""PixelCNN++, with an optional spatial condition and optional class labels.

Salimans et al. 2017, after openai/pixel-cnn `model.py`; the condition is Lucas &
Verbeek 2018, section 3: f(z) enters through a stream of ordinary convolutions.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import tensorflow as tf

from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
    num_parameters,
)
from agave_tf.errors import InputError
from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.causal_streams import ResizePair, ResnetPair, SideInputs, Streams
from agave_tf.layers.condition_stream import ConditionStream
from agave_tf.layers.convolution import enlarge
from agave_tf.layers.image_input import ImageInput
from agave_tf.layers.initializing_pass import data_dependent_initialization
from agave_tf.layers.weight_norm import WeightNormConv2D
from agave_tf.randomness import DropoutSeed
from agave_tf.settings.config import PixelCNNConfig
from agave_tf.weights.in_use import arithmetic_in_use

# The features of a layer: both streams of a whole image; while an image is drawn, a row
# or a pixel of one stream.
Features = TypeVar("Features")


class ConditionalPixelCNN(BaseLayer):
    """The autoregressive decoder p(x|z), or p(x) without a condition.

    x is [B,H,W,C]; H and W are multiples of `side_multiple`.

    Args:
      config: widths, depth, dropout, classes.
      image_channels: C, 3 or 1.
      f_z_channels: channels of f(z); 0 for a PixelCNN++ without a spatial condition.
      compute_dtype: dtype of the features.
      recompute: whether the backward pass recomputes the features inside layers to save
        memory.
      name: of the layer.
    """

    def __init__(
        self,
        config: PixelCNNConfig,
        image_channels: int,
        f_z_channels: int = 0,
        compute_dtype: str = "float32",
        recompute: bool = False,
        name: str = "pixel_cnn",
    ):
        super().__init__(name)
        self.config, self.image_channels = config, image_channels
        self.f_z_channels = f_z_channels
        self.features_dtype, self.recompute = compute_dtype, recompute
        filters, resnets = config.num_filters, config.num_resnets
        self.num_resolutions = config.num_pixel_cnn_resolutions
        # Number of layers at each resolution: full, half, quarter; quarter, half, full.
        layers_at = [resnets] * (self.num_resolutions + 1)
        layers_at += [resnets + 1] * (self.num_resolutions - 1)
        self.image_input = ImageInput(image_channels, filters, name="input")
        self.stages: list[list[ResnetPair]] = []
        self.resizes: list[ResizePair] = []
        for stage, num_layers in enumerate(layers_at):
            self._add_stage(stage, num_layers)
        self.head = WeightNormConv2D(
            filters, num_parameters(image_channels, config.num_mixtures), name="head"
        )
        self.condition_stream = None
        if f_z_channels:
            self.condition_stream = ConditionStream(
                layers_at, f_z_channels, filters, name="condition"
            )
        self.built = True

    def _add_stage(self, stage: int, num_layers: int) -> None:
        """Makes the layers at one resolution, and the pair that resizes to it."""
        config, is_second_half = self.config, stage >= self.num_resolutions
        if stage not in (0, self.num_resolutions):
            name = f"resize_{stage}"
            self.resizes.append(ResizePair(config.num_filters, is_second_half, name))
        layers = [
            ResnetPair(
                config.num_filters,
                has_skip=is_second_half,
                condition_channels=config.num_filters if self.f_z_channels else 0,
                num_classes=config.num_classes,
                nonlinearity=config.nonlinearity,
                dropout_rate=config.dropout_rate,
                number=self.num_layers + i,
                recompute=self.recompute,
                num_alike=config.num_resnets,
                name=f"layer_{stage}_{i}",
            )
            for i in range(num_layers)
        ]
        self.stages.append(layers)

    @property
    def num_layers(self) -> int:
        """ResnetPairs of all stages."""
        return sum(len(layers) for layers in self.stages)

    @property
    def side_multiple(self) -> int:
        """What divides the sides of the images that the network takes."""
        return 2 ** (self.num_resolutions - 1)

    @property
    def architecture(self) -> tuple[PixelCNNConfig, int, int, str, bool]:
        """Arguments of this class that make a network of the same architecture."""
        channels = (self.image_channels, self.f_z_channels)
        return self.config, *channels, self.features_dtype, self.recompute

    def condition(self, f_z: tf.Tensor, factor: int = 1) -> list[tf.Tensor]:
        """Computes every layer's condition from f(z) [B,h,w,c].

        Args:
          f_z: in [-1,1].
          factor: H / h = W / w.

        Returns:
          One [B,h_i,w_i,F] per layer i, to be reused for every pixel drawn; none
          where f(z) has no channels.
        """
        if self.condition_stream is None:
            return []
        f_z = arithmetic_in_use().features(f_z, self.features_dtype)
        return self.condition_stream(enlarge(f_z, factor))

    def call(
        self,
        image: tf.Tensor,
        condition: list[tf.Tensor] | None = None,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """Computes the parameters of p(x|z) of every pixel, given the pixels before it.

        Args:
          image: x [B,H,W,C] in [-1,1].
          condition: from method `condition`; None: no condition.
          label: int32 [B]; ignored by a network without classes, required by others.
          dropout_seed: None switches dropout off.

        Returns:
          [B,H,W,P] float32 (exact: float64), the argument of `likelihood`.

        Raises:
          InputError: the network is class-conditional and there is no label.
        """
        side = self.side_inputs(condition, label, dropout_seed)

        def apply(layer: ResnetPair, x: Streams, skip: Streams | None) -> Streams:
            return layer(x, skip, side=side)

        def at_half(
            shrink: ResizePair, enlarge: ResizePair, x: Streams, inner: Callable
        ) -> Streams:
            return enlarge(inner(shrink(x)))

        # The input: each stream sees the pixels before its own.
        arithmetic = arithmetic_in_use()
        streams = self.image_input(arithmetic.features(image, self.features_dtype))
        # The gated resnets, from the image's resolution to the coarsest and back.
        streams = self.traverse(streams, apply, at_half)
        # The head: the mixture's parameters, from the stream that sees all before.
        return arithmetic.precise(self.head(arithmetic.elu(streams.down_right)))

    def side_inputs(
        self,
        condition: Sequence[tf.Tensor] | None,
        label: tf.Tensor | None,
        dropout_seed: DropoutSeed | None = None,
    ) -> SideInputs:
        """The inputs of the layers that are not streams; arguments as of `call`."""
        dropout_seeds = []
        if dropout_seed is not None and self.config.dropout_rate > 0:
            dropout_seeds = dropout_seed.split(2 * self.num_layers)
        return SideInputs(self.one_hot(label), condition or (), dropout_seeds)

    def one_hot(self, label: tf.Tensor | None) -> tf.Tensor | None:
        """The label vectors [B,num_classes]; None for a network without classes.

        Raises:
          InputError: the network is class-conditional and there is no label.
        """
        num_classes = self.config.num_classes
        if not num_classes:
            return None
        # Without it the network would score and draw as for no class at all, which it
        # was never trained for.
        if label is None:
            raise InputError(
                "`label` must be given for a class-conditional PixelCNN++ (of "
                f"{num_classes} classes); got none."
            )
        return tf.one_hot(label, num_classes, dtype=arithmetic_in_use().dtype)

    def traverse(
        self,
        x: Features,
        apply: Callable[[ResnetPair, Features, Features | None], Features],
        at_half: Callable[..., Features],
        resolution: int = 0,
    ) -> Features:
        """Applies all layers in the order of a U-Net, from `resolution` down and back.

        Training and sampling share this order; they differ in `apply` and `at_half`.

        Args:
          x: the input, at `resolution`.
          apply: (layer, x, skip) -> x, applies one layer; skip is None on the way down.
          at_half: (shrink, enlarge, x, inner) -> x, halves x, applies `inner` to it,
            and doubles the result.
          resolution: 0 for the image's, 1 for half of it.
        """
        # Down: every layer's output, and the input, are kept for the way back.
        skips = [x]
        for layer in self.stages[resolution]:
            x = apply(layer, x, None)
            skips.append(x)
        # The coarser resolutions; the coarsest turns round with its last output.
        if resolution == self.num_resolutions - 1:
            x = skips.pop()
        else:
            x = at_half(
                *self.resizes_at(resolution),
                x,
                lambda half: self.traverse(half, apply, at_half, resolution + 1),
            )
        # Back: each layer takes a skip from the way down, the last one first.
        for layer in self.stages[-1 - resolution]:
            x = apply(layer, x, skips.pop())
        return x

    def resizes_at(self, resolution: int) -> tuple[ResizePair, ResizePair]:
        """The layer that halves `resolution`, and the layer that doubles it back."""
        return self.resizes[resolution], self.resizes[-1 - resolution]

    def likelihood(self, parameters: tf.Tensor) -> DiscretizedLogisticMixture:
        """p(x|z), batch [B,H,W], event [C], for x in [-1,1]."""
        return DiscretizedLogisticMixture(parameters, self.image_channels)

    def initialize(
        self,
        image: tf.Tensor,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """Initialises all weights but the condition's on x [B,H,W,C]; eagerly.

        Args:
          image, label, dropout_seed: as `call` takes them.

        Returns:
          The output, as `call` gives it.

        Raises:
          RuntimeError: called inside a tf.function or `strategy.run`.
        """
        with data_dependent_initialization():
            return self(image, label=label, dropout_seed=dropout_seed)

    def initialize_condition(self, f_z: tf.Tensor, factor: int = 1) -> None:
        """Initialises the condition stream on f(z) [B,h,w,c]; eagerly.

        Args:
          f_z, factor: as `condition` takes them.

        Raises:
          RuntimeError: called inside a tf.function or `strategy.run`.
        """
        with data_dependent_initialization():
            self.condition(f_z, factor)
