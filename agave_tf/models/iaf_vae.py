"""The VAE with inverse autoregressive flow, whose output f(z) reconstructs y.

Kingma et al. 2016, "Improving Variational Inference with Inverse Autoregressive Flow",
after openai/iaf `tf_train.py`; Lucas & Verbeek 2018, section 3.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import keras
import tensorflow as tf

from agave_tf.distributions.discretized_logistic import DiscretizedLogistic
from agave_tf.errors import InputError
from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.convolution import sides_of
from agave_tf.layers.iaf_ladder_layer import (
    BottomUp,
    IAFLadderLayer,
    LadderLayer,
    LatentSample,
    PosteriorSample,
)
from agave_tf.layers.initializing_pass import data_dependent_initialization
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose
from agave_tf.models.auxiliary_image import loc_of, log_scale_of
from agave_tf.models.padding import Size, cells_of
from agave_tf.settings.config import IAFVAEConfig
from agave_tf.weights.in_use import arithmetic_in_use, value_of

# openai/iaf works on (u + .5) / 256 - .5 for a level u; that is x times this.
_ORIGINAL_SCALE = 127.5 / 256


Sample = TypeVar("Sample", LatentSample, PosteriorSample)


class VAEOutput(NamedTuple):
    """f(z), and the z it is of; levels from the top, the order of generation."""

    f_z: tf.Tensor  # [B,h,w,c] in [-1,1]
    zs: list[tf.Tensor]  # one [B,h_l,w_l,z_channels] per level


class PosteriorOutput(NamedTuple):
    """f(z) of a draw z ~ q(z|x), and its cost; levels from the top."""

    f_z: tf.Tensor  # [B,h,w,c] in [-1,1]
    zs: list[tf.Tensor]  # one [B,h_l,w_l,z_channels] per level
    kls: list[tf.Tensor]  # as zs, ln q(z|x) - ln p(z), nats


class IAFVAE(BaseLayer):
    """Encoder, prior and decoder f of the latent variables z.

    The bottom-up pass is deterministic: x -> features of every level. The top-down pass
    is stochastic: it draws z ~ q(z|x) or p(z) level by level, and ends in f(z), which
    has the auxiliary image's size.

    Args:
      config: widths and depth.
      image_channels: C of x [B,H,W,C]; H and W are multiples of `side_multiple`.
      auxiliary_channels: c of y and f(z) [B,h,w,c].
      auxiliary_downsampling: H / h = W / w: 1, 2 or 4.
      num_color_levels, open_tails: of DiscretizedLogistic, the likelihood of y.
      compute_dtype: dtype of the features; z and f(z) are float32.
      recompute: whether the backward pass recomputes each level's features to save
        memory.
      name: of the layer.

    Raises:
      InputError: neither of hidden_channels and z_channels is a multiple of the other,
        as the flow's masks need.
    """

    def __init__(
        self,
        config: IAFVAEConfig,
        image_channels: int,
        auxiliary_channels: int,
        auxiliary_downsampling: int = 1,
        num_color_levels: int = 256,
        open_tails: bool = True,
        compute_dtype: str = "float32",
        recompute: bool = False,
        name: str = "vae",
    ):
        super().__init__(name)
        check_widths(config)
        self.config, self.auxiliary_channels = config, auxiliary_channels
        self.auxiliary_downsampling = auxiliary_downsampling
        self.num_color_levels, self.open_tails = num_color_levels, open_tails
        self.features_dtype, self.recompute = compute_dtype, recompute
        hidden = config.hidden_channels
        self.encoder_in = WeightNormConv2D(
            image_channels, hidden, (5, 5), 2, "same", "exponential", 0.1, name="enc"
        )
        level_class = IAFLadderLayer if config.use_iaf else LadderLayer
        # From the bottom up: the first level of each later resolution halves the size.
        self.ladder = [
            level_class(
                hidden,
                config.z_channels,
                downsample=resolution > 0 and layer == 0,
                recompute=recompute,
                num_alike=config.num_resolutions * config.num_layers_per_resolution,
                name=f"level_{resolution}_{layer}",
            )
            for resolution in range(config.num_resolutions)
            for layer in range(config.num_layers_per_resolution)
        ]
        self.h_top = self.add_weight(shape=(hidden,), initializer="zeros", name="top")
        self.decoder_out = self._make_decoder_out()
        self.log_scale = self.add_weight(
            shape=(auxiliary_channels,), initializer="zeros", name="log_scale"
        )
        self.built = True

    def _make_decoder_out(self) -> keras.layers.Layer:
        """The output head: resizes features of size H/2 to h by x2, x1 or x1/2."""
        arguments: dict[str, Any] = dict(
            in_channels=self.config.hidden_channels,
            filters=self.auxiliary_channels,
            kernel_size=(5, 5),
            gain="exponential",
            init_scale=0.1,
            name="dec",
        )
        if self.auxiliary_downsampling == 1:
            return WeightNormConv2DTranspose(**arguments)
        return WeightNormConv2D(strides=self.auxiliary_downsampling // 2, **arguments)

    @property
    def side_multiple(self) -> int:
        """What divides the sides of the images that the network takes."""
        return max(2**self.config.num_resolutions, self.auxiliary_downsampling)

    @property
    def cells(self) -> list[int]:
        """Pixels of x along a position of z, of every level, from the top."""
        config = self.config
        return [
            2**halvings
            for halvings in range(config.num_resolutions, 0, -1)
            for _ in range(config.num_layers_per_resolution)
        ]

    def latent_shapes(self, size: Size) -> list[tuple[Any, Any, int]]:
        """(h_l, w_l, z_channels) of every level, from the top, for x of size (H,W)."""
        channels = self.config.z_channels
        return [(*cells_of(size, cell), channels) for cell in self.cells]

    def draw_noise(
        self, seed: tf.Tensor, index: tf.Tensor, size: Size
    ) -> list[tf.Tensor]:
        """Draws standard normal noise for every level.

        Row i depends on `seed` and index[i] alone.

        Args:
          seed: int32 [2].
          index: int32 [B], the images' numbers.
          size: (H,W) of x.

        Returns:
          One [B,h_l,w_l,z_channels] per level, from the top.
        """
        shapes = self.latent_shapes(size)
        sizes = [height * width * channels for height, width, channels in shapes]
        drawn = arithmetic_in_use().normal_for_images(seed, index, sum(sizes))
        noise = tf.split(drawn, sizes, axis=-1, num=len(sizes))
        levels = zip(noise, shapes, strict=True)
        return [tf.reshape(level, (-1, *shape)) for level, shape in levels]

    def encode(self, image: tf.Tensor) -> list[BottomUp]:
        """Runs the bottom-up pass on x [B,H,W,C] in [-1,1].

        Returns:
          The features of every level, from the bottom.
        """
        x = tf.cast(image * _ORIGINAL_SCALE, self.features_dtype)
        h = self.encoder_in(x)
        features = []
        for level in self.ladder:
            bottom_up, h = level.bottom_up(h)
            features.append(bottom_up)
        return features

    def sample_posterior(
        self,
        features: Sequence[BottomUp],
        noise: Sequence[tf.Tensor],
        is_real: Sequence[tf.Tensor | None] | None = None,
    ) -> PosteriorOutput:
        """Draws z ~ q(z|x) and computes f(z).

        Args:
          features: from `encode`.
          noise: as `draw_noise` gives it.
          is_real: of every level from the top, as the level takes it: positions that
            are not of padding. None: nothing is padded.
        """
        # From the top level down, each given the features of x at its level.
        f_z, samples = self._top_down(
            LadderLayer.sample_posterior,
            features[::-1],
            noise,
            is_real or [None] * len(self.ladder),
        )
        zs, kls = [sample.z for sample in samples], [sample.kl for sample in samples]
        return PosteriorOutput(f_z, zs, kls)

    def sample_prior(
        self,
        noise: Sequence[tf.Tensor],
        is_real: Sequence[tf.Tensor | None] | None = None,
    ) -> VAEOutput:
        """Draws z ~ p(z) and computes f(z); arguments as for `sample_posterior`."""
        f_z, samples = self._top_down(
            LadderLayer.sample_prior, noise, is_real or [None] * len(self.ladder)
        )
        return VAEOutput(f_z, [sample.z for sample in samples])

    def decode(self, zs: list[tf.Tensor]) -> tf.Tensor:
        """Computes f(z) [B,h,w,c] in [-1,1] from z of every level, from the top."""
        return self._top_down(LadderLayer.decode, zs)[0]

    def likelihood(self, f_z: tf.Tensor) -> DiscretizedLogistic:
        """p(y|z) of Eq. 10, batch shape [B,h,w,c], for y on 0..255."""
        return DiscretizedLogistic(
            loc_of(f_z),
            value_of(self.log_scale),
            self.num_color_levels,
            self.open_tails,
        )

    def initialize(
        self,
        image: tf.Tensor,
        auxiliary_image: tf.Tensor,
        noise: list[tf.Tensor],
        as_openai: bool = False,
    ) -> VAEOutput:
        """Initialises all weights on a batch; eagerly, outside `strategy.run`.

        Args:
          image: x [B,H,W,C] in [-1,1].
          auxiliary_image: y [B,h,w,c] on 0..255, which sets the scale of p(y|z).
          noise: as `draw_noise` gives it.
          as_openai: follows openai/iaf: gains stored as log(scale)/3, z from the prior,
            and a scale of 256 levels for y.

        Raises:
          RuntimeError: called inside a tf.function or `strategy.run`.
        """

        initialize = functools.partial(LadderLayer.initialize, from_prior=as_openai)
        with data_dependent_initialization(as_openai_iaf=as_openai):
            features = self.encode(image)[::-1]
            f_z, samples = self._top_down(initialize, features, noise)
        residual = auxiliary_image - loc_of(f_z)
        log_scale = tf.fill(self.log_scale.shape, math.log(256.0))
        self.log_scale.assign(log_scale if as_openai else log_scale_of(residual))
        return VAEOutput(f_z, [sample.z for sample in samples])

    def top_features(self, batch_size: int | tf.Tensor, size: Size) -> tf.Tensor:
        """The features that the top level starts from, [B,h,w,hidden_channels].

        Args:
          batch_size: B.
          size: (h,w) of the top level.
        """
        arithmetic = arithmetic_in_use()
        top = arithmetic.features(value_of(self.h_top), self.features_dtype)
        return tf.broadcast_to(top, [batch_size, *size, top.shape[0]])

    def output(self, features: tf.Tensor) -> tf.Tensor:
        """f(z) [B,h,w,c] in [-1,1], from the features below the lowest level."""
        arithmetic = arithmetic_in_use()
        raw = arithmetic.precise(self.decoder_out(arithmetic.elu(features)))
        # openai/iaf clips the mean of p(y|z) to the centres of the outer levels.
        return tf.clip_by_value(arithmetic.over(raw, _ORIGINAL_SCALE), -1.0, 1.0)

    def _top_down(
        self, run: Callable[..., Sample], *inputs: Sequence
    ) -> tuple[tf.Tensor, list[Sample]]:
        """Runs every level from the top down, then the output head.

        Args:
          run: (level, features from above, *inputs of the level) -> sample.
          *inputs: each a list with one input per level, from the top. One of the lists
            holds noise or z, [B,h_l,w_l,z_channels].

        Returns:
          f(z), and the samples from the top.
        """
        top = next(x[0] for x in inputs if hasattr(x[0], "shape"))
        h = self.top_features(tf.shape(top)[0], sides_of(tf.convert_to_tensor(top)))
        samples: list[Sample] = []
        for level, *own in zip(self.ladder[::-1], *inputs, strict=True):
            samples.append(run(level, h, *own))
            h = samples[-1].features
        return self.output(h), samples


def check_widths(config: IAFVAEConfig) -> None:
    """Checks that widths suit the flow; raises InputError as the class IAFVAE."""
    wide = max(config.hidden_channels, config.z_channels)
    narrow = min(config.hidden_channels, config.z_channels)
    if config.use_iaf and wide % narrow:
        raise InputError(
            "`hidden_channels` and `z_channels` must be multiples one of the other, "
            "because the flow's masks order channels in equal blocks; got "
            f"{config.hidden_channels} and {config.z_channels}."
        )
