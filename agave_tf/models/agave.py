"""The whole model: an IAF-VAE and a PixelCNN++ that share the latent variables.

Lucas & Verbeek 2018, section 3 and Figure 1.
"""

import tensorflow as tf

from agave_tf.data.pixel_scale import to_unit_range
from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.models.auxiliary_image import auxiliary_image, auxiliary_shape
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.models.iaf_vae import IAFVAE, VAEOutput
from agave_tf.models.image_draws import ImageDraws
from agave_tf.models.objective import (
    AGAVETerms,
    BoundTerms,
    auxiliary_elbo,
    count_dims,
    elbo,
    free_bits,
)
from agave_tf.randomness import DropoutSeed
from agave_tf.settings.config import (
    ComputeConfig,
    Config,
    IAFVAEConfig,
    PixelCNNConfig,
)


class AGAVE(BaseLayer):
    """The VAE, the PixelCNN++, or both.

    A part that is missing is None (`vae`, `pixel_cnn`), and so is what it would give:
    f(z) without a VAE, for example. In the docstrings x is `image` uint8 [B,H,W,C].

    Args:
      config: the settings of the run.
      image_shape: (H,W,C) of x.
      has_vae: False for the PixelCNN++ alone.
      has_pixel_cnn: False for the VAE alone.
      name: the layer's name.
    """

    def __init__(
        self,
        config: Config,
        image_shape: tuple[int, int, int],
        has_vae: bool = True,
        has_pixel_cnn: bool = True,
        name: str = "agave",
    ):
        super().__init__(name)
        height, width, channels = image_shape
        self.config, self.image_shape = config, (height, width, channels)
        self.auxiliary_shape = auxiliary_shape(self.image_shape, config.auxiliary)
        self.vae: IAFVAE | None = None
        self.pixel_cnn: ConditionalPixelCNN | None = None
        if has_vae:
            self.vae = IAFVAE(
                config.vae,
                self.image_shape,
                self.auxiliary_shape,
                config.auxiliary.num_color_levels,
                config.auxiliary.open_tails,
                config.compute.compute_dtype,
                config.compute.recompute,
            )
        if has_pixel_cnn:
            self.pixel_cnn = ConditionalPixelCNN(
                config.pixel_cnn,
                self.image_shape[-1],
                self.auxiliary_shape[-1] if has_vae else 0,
                config.compute.compute_dtype,
                config.compute.recompute,
            )
        self.built = True

    def auxiliary_image(self, image: tf.Tensor) -> tf.Tensor:
        """y [B,h,w,c] on 0..255, from image uint8 [B,H,W,C]."""
        return auxiliary_image(image, self.config.auxiliary)

    @property
    def architecture(self) -> tuple[Config, tuple[int, int, int], bool, bool]:
        """Arguments of this class that make a network of the same architecture."""
        compute = ComputeConfig(
            compute_dtype=self.config.compute.compute_dtype,
            recompute=self.config.compute.recompute,
        )
        has_vae, has_pixel_cnn = self.vae is not None, self.pixel_cnn is not None
        config = Config(
            auxiliary=self.config.auxiliary,
            vae=self.config.vae if has_vae else IAFVAEConfig(),
            pixel_cnn=self.config.pixel_cnn if has_pixel_cnn else PixelCNNConfig(),
            compute=compute,
        )
        return config, self.image_shape, has_vae, has_pixel_cnn

    @property
    def num_classes(self) -> int:
        """Classes of the labels that the PixelCNN++ must be given; 0: it takes none."""
        return 0 if self.pixel_cnn is None else self.config.pixel_cnn.num_classes

    @property
    def num_levels(self) -> int:
        """Levels of z; 0 without a VAE."""
        return 0 if self.vae is None else len(self.vae.ladder)

    @property
    def judged_shape(self) -> tuple[int, int, int]:
        """Shape of the image that `bound` is about: x, or y for the VAE alone."""
        return self.auxiliary_shape if self.pixel_cnn is None else self.image_shape

    @property
    def num_dims(self) -> int:
        """Dimensions (sub-pixels) of the image that `bound` is about."""
        return count_dims(self.judged_shape)

    def bound(self, terms: BoundTerms) -> tf.Tensor:
        """The log-likelihood that the model is judged by, nats, of the terms' shape.

        Eq. 6, the bound on ln p(x): no auxiliary term, KL unweighted. It is exact for
        the PixelCNN++ alone. For the VAE alone it is the bound on ln p(y).
        """
        return auxiliary_elbo(terms) if self.pixel_cnn is None else elbo(terms)

    def encode(self, image: tf.Tensor) -> list[BottomUp] | None:
        """The encoder's features of x; None without a VAE."""
        return None if self.vae is None else self.vae.encode(to_unit_range(image))

    def required_vae(self) -> IAFVAE:
        """The VAE, for what cannot be computed without it.

        Raises:
          ValueError: the model is a PixelCNN++ alone.
        """
        if self.vae is None:
            raise ValueError("`model` must have a VAE; got a PixelCNN++ alone.")
        return self.vae

    def required_pixel_cnn(self) -> ConditionalPixelCNN:
        """The PixelCNN++, for what cannot be computed without it.

        Raises:
          ValueError: the model is a VAE alone.
        """
        if self.pixel_cnn is None:
            raise ValueError("`model` must have a PixelCNN++; got a VAE alone.")
        return self.pixel_cnn

    def mean_latents(self, image: tf.Tensor) -> list[tf.Tensor]:
        """z of every level, from the top, with zero noise: features of x, no chance."""
        vae, count = self.required_vae(), tf.shape(image)[0]
        noise = [tf.zeros([count, *shape]) for shape in vae.latent_shapes]
        return vae.sample_posterior(vae.encode(to_unit_range(image)), noise).zs

    def sample_prior(
        self, seed: tf.Tensor, index: tf.Tensor, temperature: float = 1.0
    ) -> VAEOutput | None:
        """z ~ p(z) and f(z) for every index; None without a VAE.

        Args:
          seed: int32 [2].
          index: int32 [B]; row i of the noise follows from `seed` and index[i].
          temperature: factor of the noise; 1 is the model.
        """
        if self.vae is None:
            return None
        return self.vae.sample_prior(_noise(self.vae, seed, index, temperature))

    def sample_posterior(
        self,
        image: tf.Tensor,
        seed: tf.Tensor,
        index: tf.Tensor,
        temperature: float = 1.0,
    ) -> VAEOutput | None:
        """z ~ q(z|x) and f(z); None without a VAE. Arguments as for `sample_prior`."""
        if self.vae is None:
            return None
        noise = _noise(self.vae, seed, index, temperature)
        features = self.vae.encode(to_unit_range(image))
        return self.vae.sample_posterior(features, noise)

    def terms(
        self, image: tf.Tensor, draws: ImageDraws, label: tf.Tensor | None = None
    ) -> AGAVETerms:
        """Every term of the objective for x, with one draw of z for each image."""
        return self.terms_given_features(image, self.encode(image), draws, label)

    def terms_given_features(
        self,
        image: tf.Tensor,
        features: list[BottomUp] | None,
        draws: ImageDraws,
        label: tf.Tensor | None = None,
    ) -> AGAVETerms:
        """Same as `terms`, with `features` from `encode`, which many z can share."""
        zero = tf.zeros([tf.shape(image)[0]])
        primary, auxiliary, kl_objective = zero, zero, zero
        kl_per_level = tf.zeros([tf.shape(image)[0], 0])
        f_z = None
        # The VAE: z, f(z), how well f(z) reconstructs y, and what z costs.
        if self.vae is not None:
            if features is None:
                raise ValueError("`features` must be those of `encode`; got none.")
            noise = self.vae.draw_noise(draws.noise_seed(), draws.index)
            output = self.vae.sample_posterior(features, noise)
            f_z = output.f_z
            log_prob = self.vae.likelihood(f_z).log_prob(self.auxiliary_image(image))
            auxiliary = tf.reduce_sum(log_prob, axis=[1, 2, 3])
            kl_objective, kl_per_level = self._kl(output)
        # The PixelCNN++: x, pixel by pixel, given f(z).
        if self.pixel_cnn is not None:
            primary = self.primary_reconstruction(
                image, f_z, label, draws.dropout_seed()
            )
        return AGAVETerms(
            primary_reconstruction=primary,
            auxiliary_reconstruction=auxiliary,
            kl=tf.reduce_sum(kl_per_level, axis=1),
            kl_objective=kl_objective,
            kl_per_level=kl_per_level,
        )

    def primary_reconstruction(
        self,
        image: tf.Tensor,
        f_z: tf.Tensor | None,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """ln p(x|z) [B] nats, given f(z) [B,h,w,c]."""
        log_prob = self.primary_log_prob(image, f_z, label, dropout_seed)
        return tf.reduce_sum(log_prob, axis=[1, 2])

    def primary_log_prob(
        self,
        image: tf.Tensor,
        f_z: tf.Tensor | None,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """ln p of every pixel [B,H,W] nats, given f(z) and the pixels before it."""
        x = to_unit_range(image)
        condition = self.condition(f_z)
        pixel_cnn = self.required_pixel_cnn()
        parameters = pixel_cnn(x, condition, label, dropout_seed=dropout_seed)
        return pixel_cnn.likelihood(parameters).log_prob(x)

    def condition(self, f_z: tf.Tensor | None) -> list[tf.Tensor] | None:
        """The PixelCNN++'s condition from f(z) [B,h,w,c]; None without a VAE."""
        if f_z is None:
            return None
        return self.required_pixel_cnn().condition(f_z, self.image_shape[:2])

    def _kl(self, output: VAEOutput) -> tuple[tf.Tensor, tf.Tensor]:
        """KL with free bits [B], and the true KL of every level [B,L]."""
        assert output.kls is not None  # The output is of a draw of q(z|x).
        per_channel = [tf.reduce_sum(kl, axis=[1, 2]) for kl in output.kls]
        with_free_bits = [free_bits(kl, self.config.vae.kl_min) for kl in per_channel]
        per_level = [tf.reduce_sum(kl, axis=1) for kl in per_channel]
        return tf.add_n(with_free_bits), tf.stack(per_level, axis=1)


def _noise(
    vae: IAFVAE, seed: tf.Tensor, index: tf.Tensor, temperature: float
) -> list[tf.Tensor]:
    """Noise of every level, from the top."""
    return [temperature * level for level in vae.draw_noise(seed, index)]
