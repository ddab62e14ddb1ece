"""A model with latent variables: the VAE, and the VAE alone as a model of y.

Lucas & Verbeek 2018, section 3; Kingma et al. 2016.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

import tensorflow as tf

from agave_tf.layers.convolution import sides_of
from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.models.auxiliary_image import auxiliary_image, auxiliary_shape
from agave_tf.models.iaf_vae import IAFVAE, PosteriorOutput, VAEOutput
from agave_tf.models.image_model import ImageModel
from agave_tf.models.objective import VAETerms, free_bits
from agave_tf.models.padding import Size, cells_of, cut, padded_size, real_cells
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

    vae: IAFVAE

    def __init__(
        self,
        config: ModelConfig,
        image_shape: tuple[int, int, int],
        networks: Self | None = None,
    ):
        super().__init__(config, image_shape, networks)
        self.vae = (
            networks.vae
            if networks
            else IAFVAE(
                config.vae,
                self.image_shape[-1],
                self.auxiliary_shape[-1],
                config.auxiliary.auxiliary_downsampling,
                config.auxiliary.num_color_levels,
                config.auxiliary.open_tails,
                config.compute_dtype,
                config.recompute,
            )
        )

    @property
    def side_multiple(self) -> int:
        return max(super().side_multiple, self.vae.side_multiple)

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        return self.vae.latent_shapes(self._padded(self.image_shape[:2]))

    @property
    def auxiliary_shape(self) -> tuple[int, int, int]:
        return auxiliary_shape(self.image_shape, self.config.auxiliary)

    @property
    def f_z_shape(self) -> tuple[int, int, int]:
        height, width = self._padded(self.image_shape[:2])
        padded_shape = (height, width, self.image_shape[-1])
        return auxiliary_shape(padded_shape, self.config.auxiliary)

    def auxiliary_image(self, image: tf.Tensor) -> tf.Tensor:
        """y of the padded image, [B,h,w,c] on 0..255, from x."""
        return auxiliary_image(self.pad(image), self.config.auxiliary)

    def encode(self, image: tf.Tensor) -> list[BottomUp]:
        return self.vae.encode(to_unit_range(self.pad(image)))

    def draw_noise(
        self, seed: tf.Tensor, index: tf.Tensor, size: Size
    ) -> list[tf.Tensor]:
        """As `IAFVAE.draw_noise`, for x of any size (H,W), which is padded."""
        return self.vae.draw_noise(seed, index, self._padded(size))

    def mean_latents(self, image: tf.Tensor) -> list[tf.Tensor]:
        """Computes z of every level with zero noise, from the top.

        They are deterministic features of x for other tasks.
        """
        count, size = tf.shape(image)[0], sides_of(image)
        shapes = self.vae.latent_shapes(self._padded(size))
        noise = [tf.zeros([count, *shape]) for shape in shapes]
        is_real = self.real_cells(size)
        return self.vae.sample_posterior(self.encode(image), noise, is_real).zs

    def sample_prior(
        self, seed: tf.Tensor, index: tf.Tensor, temperature: float = 1.0
    ) -> VAEOutput:
        size = self.image_shape[:2]
        noise = [temperature * level for level in self.draw_noise(seed, index, size)]
        return self.vae.sample_prior(noise, self.real_cells(size))

    def sample_posterior(
        self,
        image: tf.Tensor,
        seed: tf.Tensor,
        index: tf.Tensor,
        temperature: float = 1.0,
    ) -> PosteriorOutput:
        size = sides_of(image)
        noise = [temperature * level for level in self.draw_noise(seed, index, size)]
        is_real = self.real_cells(size)
        return self.vae.sample_posterior(self.encode(image), noise, is_real)

    def auxiliary_dims_of(self, size: Size) -> Any:
        """Sub-pixels of y, for x of size (H,W); numbers or arrays."""
        height, width = cells_of(size, self.config.auxiliary.auxiliary_downsampling)
        return height * width * self.auxiliary_shape[-1]

    def auxiliary_log_prob(self, image: tf.Tensor, f_z: tf.Tensor) -> tf.Tensor:
        """ln p(y|z) of every sub-pixel of y, [B,h,w,c] nats.

        Args:
          image: x.
          f_z: of the padded image.
        """
        factor = self.config.auxiliary.auxiliary_downsampling
        size = cells_of(sides_of(image), factor)
        y = cut(self.auxiliary_image(image), size)
        return self.vae.likelihood(cut(f_z, size)).log_prob(y)

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
        size = sides_of(image)
        noise = self.draw_noise(draws.noise_seed(), draws.index, size)
        is_real = self.real_cells(size)
        drawn = self.vae.sample_posterior(features, noise, is_real)
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

    def _padded(self, size: Size) -> list[Any]:
        return padded_size(size, self.side_multiple)

    def real_cells(self, size: Size) -> list[tf.Tensor | None]:
        """Which positions of every level are of the image, not of its padding.

        Args:
          size: (H,W) of x.

        Returns:
          bool [1,h_l,w_l,1] from the top; None for levels without padding.
        """
        multiple = self.side_multiple
        return [real_cells(size, multiple, cell) for cell in self.vae.cells]


class VAEModel(LatentVariableModel):
    """The VAE alone, judged by its bound on ln p(y); arguments as ImageModel."""

    settings: ClassVar[tuple[str, ...]] = ("auxiliary", "vae")
    terms_class: ClassVar[Any] = VAETerms

    def dims_of(self, size: Size) -> Any:
        return self.auxiliary_dims_of(size)

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

    def parts(self, terms: Any, size: Size | None = None) -> list[Part]:
        """Lists bits_per_dim = auxiliary_reconstruction + kl, per dimension of y."""
        dims = self.dims_of(size or self.image_shape[:2])
        return [
            Part(WHOLE, self.bound(terms), dims),
            Part("auxiliary_reconstruction", terms.auxiliary_reconstruction, dims),
            *kl_parts(terms.kl, terms.kl_per_level, dims),
        ]
