"""A model with latent variables: the VAE, and the VAE alone as a model of y.

Lucas & Verbeek 2018, section 3; Kingma et al. 2016.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.models.auxiliary_image import auxiliary_image, auxiliary_shape
from agave_tf.models.iaf_vae import IAFVAE, PosteriorOutput, VAEOutput
from agave_tf.models.image_model import ImageModel
from agave_tf.models.objective import VAETerms, count_dims, free_bits
from agave_tf.models.parts import WHOLE, Part, kl_parts
from agave_tf.pixel_scale import to_unit_range
from agave_tf.randomness import ImageDraws
from agave_tf.settings.config import ModelConfig


class LatentDraw(NamedTuple):
    """f(z) of a draw z ~ q(z|x), and the terms of the objective it gives."""

    f_z: tf.Tensor  # [B,h,w,c]
    terms: VAETerms


class LatentVariableModel(ImageModel):
    """A model with a VAE: z, f(z), and p(y|z) of the auxiliary image y.

    Arguments as ImageModel.
    """

    def __init__(self, config: ModelConfig, image_shape: tuple[int, int, int]):
        super().__init__(config, image_shape)
        self.auxiliary_shape = auxiliary_shape(self.image_shape, config.auxiliary)
        self.vae = IAFVAE(
            config.vae,
            self.image_shape,
            self.auxiliary_shape,
            config.auxiliary.num_color_levels,
            config.auxiliary.open_tails,
            config.compute_dtype,
            config.recompute,
        )

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        return self.vae.latent_shapes

    @property
    def f_z_shape(self) -> tuple[int, int, int]:
        return self.auxiliary_shape

    def auxiliary_image(self, image: tf.Tensor) -> tf.Tensor:
        """y [B,h,w,c] on 0..255, from image uint8 [B,H,W,C]."""
        return auxiliary_image(image, self.config.auxiliary)

    def encode(self, image: tf.Tensor) -> list[BottomUp]:
        return self.vae.encode(to_unit_range(image))

    def mean_latents(self, image: tf.Tensor) -> list[tf.Tensor]:
        """Computes z of every level with zero noise, from the top.

        They are deterministic features of x for other tasks.
        """
        count = tf.shape(image)[0]
        noise = [tf.zeros([count, *shape]) for shape in self.latent_shapes]
        return self.vae.sample_posterior(self.encode(image), noise).zs

    def sample_prior(
        self, seed: tf.Tensor, index: tf.Tensor, temperature: float = 1.0
    ) -> VAEOutput:
        return self.vae.sample_prior(self._noise(seed, index, temperature))

    def sample_posterior(
        self,
        image: tf.Tensor,
        seed: tf.Tensor,
        index: tf.Tensor,
        temperature: float = 1.0,
    ) -> PosteriorOutput:
        noise = self._noise(seed, index, temperature)
        return self.vae.sample_posterior(self.encode(image), noise)

    def auxiliary_log_prob(self, image: tf.Tensor, f_z: tf.Tensor) -> tf.Tensor:
        """ln p(y|z) of every sub-pixel of y, [B,h,w,c] nats."""
        return self.vae.likelihood(f_z).log_prob(self.auxiliary_image(image))

    def latent_draw(
        self, image: tf.Tensor, features: Sequence[BottomUp], draws: ImageDraws
    ) -> LatentDraw:
        """Draws z ~ q(z|x), and computes f(z) and the terms that it gives.

        Args:
          image: x.
          features: from `encode`.
          draws: the source of the noise.
        """
        # z and f(z).
        noise = self.vae.draw_noise(draws.noise_seed(), draws.index)
        drawn = self.vae.sample_posterior(features, noise)
        # How well f(z) reconstructs y.
        log_prob = self.auxiliary_log_prob(image, drawn.f_z)
        # What z costs, in all and at every level.
        per_channel = [tf.reduce_sum(kl, axis=[1, 2]) for kl in drawn.kls]
        with_free_bits = [free_bits(kl, self.config.vae.kl_min) for kl in per_channel]
        per_level = [tf.reduce_sum(kl, axis=1) for kl in per_channel]
        kl_per_level = tf.stack(per_level, axis=1)
        terms = VAETerms(
            auxiliary_reconstruction=tf.reduce_sum(log_prob, axis=[1, 2, 3]),
            kl=tf.reduce_sum(kl_per_level, axis=1),
            kl_objective=tf.add_n(with_free_bits),
            kl_per_level=kl_per_level,
        )
        return LatentDraw(drawn.f_z, terms)

    def _noise(
        self, seed: tf.Tensor, index: tf.Tensor, temperature: float
    ) -> list[tf.Tensor]:
        return [temperature * level for level in self.vae.draw_noise(seed, index)]


class VAEModel(LatentVariableModel):
    """The VAE alone, judged by its bound on ln p(y); arguments as ImageModel."""

    settings: ClassVar[tuple[str, ...]] = ("auxiliary", "vae")
    terms_class: ClassVar[Any] = VAETerms

    @property
    def judged_shape(self) -> tuple[int, int, int]:
        return self.auxiliary_shape

    def terms_given_features(
        self,
        image: tf.Tensor,
        features: Sequence[BottomUp],
        draws: ImageDraws,
        label: tf.Tensor | None = None,
    ) -> VAETerms:
        del label  # p(y|z) has no classes.
        return self.latent_draw(image, features, draws).terms

    def objective(
        self, terms: Any, auxiliary_weight: float, kl_weight: float | tf.Tensor
    ) -> tf.Tensor:
        gain = auxiliary_weight * terms.auxiliary_reconstruction
        return gain - kl_weight * terms.kl_objective

    def bound(self, terms: Any) -> tf.Tensor:
        """The ELBO of y: ln p(y|z) - KL."""
        return terms.auxiliary_reconstruction - terms.kl

    def parts(self, terms: Any) -> list[Part]:
        """Lists bits_per_dim = auxiliary_reconstruction + kl, per dimension of y."""
        auxiliary, dims = terms.auxiliary_reconstruction, self.num_dims
        return [
            Part(WHOLE, self.bound(terms), dims),
            Part("auxiliary_reconstruction", auxiliary, count_dims(self.judged_shape)),
            *kl_parts(terms.kl, terms.kl_per_level, dims),
        ]
