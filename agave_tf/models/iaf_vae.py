"""The VAE with inverse autoregressive flow, whose output f(z) reconstructs y.

Kingma et al. 2016, "Improving Variational Inference with Inverse Autoregressive Flow",
after openai/iaf `tf_train.py`; Lucas & Verbeek 2018, section 3.
"""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from agave_tf.distributions.discretized_logistic import DiscretizedLogistic
from agave_tf.errors import InputError
from agave_tf.layers.iaf_ladder_layer import BottomUp, IAFLadderLayer, LatentSample
from agave_tf.layers.recomputation import recomputed
from agave_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormConv2DTranspose,
    data_dependent_initialization,
)
from agave_tf.randomness import normal_for_images
from agave_tf.settings.config import IAFVAEConfig
from agave_tf.settings.image_size import check_image_sides

# openai/iaf works on (u + .5) / 256 - .5 for a level u; that is x times this.
_ORIGINAL_SCALE = 127.5 / 256


class VAEOutput(NamedTuple):
    """A top-down pass. Levels are listed from the top, the order of generation."""

    f_z: tf.Tensor  # [B,h,w,c] in [-1,1]
    zs: list[tf.Tensor]  # one [B,h_l,w_l,z_channels] per level
    kls: list[tf.Tensor] | None  # likewise; nats, ln q(z|x) - ln p(z); None from p(z)


class IAFVAE(keras.layers.Layer):
    """Encoder, prior and decoder f of the latent variables z.

    Bottom-up, deterministic: x -> features of every level. Top-down, stochastic: level
    by level z ~ q(z|x) or p(z), down to f(z), of the size of the auxiliary image.

    Args:
      config: widths and depth.
      image_shape: (H,W,C) of x; H and W multiples of 2**num_resolutions.
      auxiliary_shape: (h,w,c) of y and f(z); h is H, H/2 or H/4.
      num_color_levels, open_tails: of the likelihood of y.
      compute_dtype: of the features; z and f(z) are float32.
      recompute: whether each level's features are computed again in the backward pass.
      name: of the layer.

    Raises:
      InputError: sides that do not divide, or widths the flow's masks cannot order.
    """

    def __init__(
        self,
        config: IAFVAEConfig,
        image_shape: tuple[int, int, int],
        auxiliary_shape: tuple[int, int, int],
        num_color_levels: int = 256,
        open_tails: bool = True,
        compute_dtype: str = "float32",
        recompute: bool = False,
        name: str = "vae",
    ):
        super().__init__(name=name, autocast=False)
        _check_widths(config, image_shape)
        self.config = config
        self.image_shape, self.auxiliary_shape = image_shape, auxiliary_shape
        self.num_color_levels, self.open_tails = num_color_levels, open_tails
        self.features_dtype, self.recompute = compute_dtype, recompute
        hidden = config.hidden_channels
        self.encoder_in = WeightNormConv2D(
            image_shape[-1], hidden, (5, 5), 2, "same", "exponential", 0.1, name="enc"
        )
        # From the bottom up: the first level of each later resolution halves the size.
        self.ladder = [
            IAFLadderLayer(
                hidden,
                config.z_channels,
                downsample=resolution > 0 and layer == 0,
                use_iaf=config.use_iaf,
                name=f"level_{resolution}_{layer}",
            )
            for resolution in range(config.num_resolutions)
            for layer in range(config.num_layers_per_resolution)
        ]
        self.h_top = self.add_weight(shape=(hidden,), initializer="zeros", name="top")
        self.decoder_out = self._make_decoder_out()
        self.log_scale = self.add_weight(
            shape=(auxiliary_shape[-1],), initializer="zeros", name="log_scale"
        )
        self.built = True

    def _make_decoder_out(self) -> keras.layers.Layer:
        """From the finest latent size, H/2, to the auxiliary image: x2, x1 or x1/2."""
        arguments = dict(
            in_channels=self.config.hidden_channels,
            filters=self.auxiliary_shape[-1],
            kernel_size=(5, 5),
            gain="exponential",
            init_scale=0.1,
            name="dec",
        )
        downsampling = self.image_shape[0] // self.auxiliary_shape[0]
        if downsampling == 1:
            return WeightNormConv2DTranspose(**arguments)
        return WeightNormConv2D(strides=downsampling // 2, **arguments)

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """(h_l, w_l, z_channels) of every level, from the top."""
        height, width, _ = self.image_shape
        return [
            (height >> (resolution + 1), width >> (resolution + 1), channels)
            for resolution in reversed(range(self.config.num_resolutions))
            for channels in [self.config.z_channels]
            * self.config.num_layers_per_resolution
        ]

    def draw_noise(self, seed: tf.Tensor, index: tf.Tensor) -> list[tf.Tensor]:
        """Standard normal noise for every level; row i follows from seed and index[i].

        Args:
          seed: int32 [2].
          index: int32 [B], what tells the images apart.

        Returns:
          One [B,h_l,w_l,z_channels] per level, from the top.
        """
        sizes = [math.prod(shape) for shape in self.latent_shapes]
        noise = normal_for_images(seed, index, sum(sizes))
        return [
            tf.reshape(part, (-1, *shape))
            for part, shape in zip(
                tf.split(noise, sizes, axis=-1), self.latent_shapes, strict=True
            )
        ]

    def encode(self, image: tf.Tensor) -> list[BottomUp]:
        """The bottom-up pass of x [B,H,W,C] in [-1,1]; features from the bottom."""
        x = tf.cast(image * _ORIGINAL_SCALE, self.features_dtype)
        h = self.encoder_in(x)
        features = []
        for level in self.ladder:
            bottom_up, h = recomputed(level.bottom_up, self.recompute)(h)
            features.append(bottom_up)
        return features

    def sample_posterior(
        self, features: list[BottomUp], noise: list[tf.Tensor]
    ) -> VAEOutput:
        """z ~ q(z|x) and f(z), from `encode`'s features and noise from the top."""
        return self._top_down(
            "sample_posterior", zip(reversed(features), noise, strict=True)
        )

    def sample_prior(self, noise: list[tf.Tensor]) -> VAEOutput:
        """z ~ p(z) and f(z), from noise from the top."""
        return self._top_down("sample_prior", zip(noise, strict=True))

    def decode(self, zs: list[tf.Tensor]) -> tf.Tensor:
        """f(z) [B,h,w,c] in [-1,1], from z of every level, from the top."""
        return self._top_down("given", zip(zs, strict=True)).f_z

    def likelihood(self, f_z: tf.Tensor) -> DiscretizedLogistic:
        """p(y|z) of Eq. 10, batch shape [B,h,w,c], for y on 0..255."""
        return DiscretizedLogistic(
            loc_of(f_z), self.log_scale, self.num_color_levels, self.open_tails
        )

    def initialize(
        self,
        image: tf.Tensor,
        auxiliary_image: tf.Tensor,
        noise: list[tf.Tensor],
        as_openai: bool = False,
    ) -> VAEOutput:
        """Data-dependent initialisation on a batch; not inside a tf.function.

        Args:
          image: x [B,H,W,C] in [-1,1].
          auxiliary_image: y [B,h,w,c] on 0..255, which sets the scale of p(y|z).
          noise: as `draw_noise` gives it.
          as_openai: openai/iaf's way: gains stored as log(scale)/3, z from the prior,
            and a scale of 256 levels for y.
        """
        convention = "openai_iaf" if as_openai else "sound"
        with data_dependent_initialization(convention):
            features = self.encode(image)
            levels = zip(reversed(features), noise, strict=True)
            output = self._top_down("initialize", levels, from_prior=as_openai)
        residual = auxiliary_image - loc_of(output.f_z)
        log_scale = tf.fill(self.log_scale.shape, math.log(256.0))
        self.log_scale.assign(log_scale if as_openai else _log_scale_of(residual))
        return output

    def _top_down(self, step: str, arguments, **options) -> VAEOutput:
        """Runs method `step` of every level with its arguments, and the output head."""
        samples: list[LatentSample] = []
        h = None
        for level, own in zip(reversed(self.ladder), arguments, strict=True):
            if h is None:
                size = [tf.shape(own[-1])[0], *self.latent_shapes[0][:2]]
                top = tf.cast(self.h_top, self.features_dtype)
                h = tf.broadcast_to(top, [*size, top.shape[0]])
            run = recomputed(getattr(level, step), self.recompute)
            samples.append(run(h, *own, **options))
            h = samples[-1].features
        raw = tf.cast(self.decoder_out(tf.nn.elu(h)), tf.float32)
        kls = [sample.kl for sample in samples]
        return VAEOutput(
            # openai/iaf clips the mean of p(y|z) to the centres of the outer levels.
            f_z=tf.clip_by_value(raw / _ORIGINAL_SCALE, -1.0, 1.0),
            zs=[sample.z for sample in samples],
            kls=None if kls[0] is None else kls,
        )


def loc_of(f_z: tf.Tensor) -> tf.Tensor:
    """f(z) in [-1,1] on the 0..256 axis of Eq. 10, where level u covers [u, u+1)."""
    return 127.5 * f_z + 128.0


def _log_scale_of(residual: tf.Tensor) -> tf.Tensor:
    """ln s, per channel [c], of the logistic that spreads like `residual` [B,h,w,c].

    A logistic of scale s has standard deviation pi * s / sqrt(3).
    """
    deviation = tf.sqrt(tf.reduce_mean(tf.square(residual), axis=[0, 1, 2]))
    return tf.math.log(tf.maximum(deviation, 1.0) * math.sqrt(3) / math.pi)


def _check_widths(config: IAFVAEConfig, image_shape: tuple[int, int, int]) -> None:
    multiple = max(4, 2**config.num_resolutions)
    check_image_sides(
        *image_shape[:2],
        of="image_size",
        multiple=multiple,
        reason=f" (--num_resolutions={config.num_resolutions})",
    )
    wide = max(config.hidden_channels, config.z_channels)
    narrow = min(config.hidden_channels, config.z_channels)
    if config.use_iaf and wide % narrow:
        raise InputError(
            "`hidden_channels` and `z_channels` must be multiples one of the other, "
            "because the flow's masks order channels in equal blocks; got "
            f"{config.hidden_channels} and {config.z_channels}."
        )
