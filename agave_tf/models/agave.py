"""AGAVE: a VAE and a PixelCNN++ that share the latent variables.

Lucas & Verbeek 2018, section 3 and Figure 1.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import tensorflow as tf

from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.models.objective import AGAVETerms
from agave_tf.models.padding import Size
from agave_tf.models.parts import WHOLE, Part, kl_parts
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.randomness import ImageDraws


class AGAVE(AutoregressiveModel, LatentVariableModel):
    """The VAE and the PixelCNN++ on its f(z); arguments as ImageModel.

    The constructors run from the last base class to the first: the VAE is made before
    the PixelCNN++, which has as many channels of condition as f(z).
    """

    settings: ClassVar[tuple[str, ...]] = ("auxiliary", "vae", "pixel_cnn")
    terms_class: ClassVar[Any] = AGAVETerms

    def terms_given_features(
        self,
        image: tf.Tensor,
        features: Sequence[BottomUp],
        draws: ImageDraws,
        label: tf.Tensor | None = None,
    ) -> AGAVETerms:
        # The VAE: z, f(z), how well f(z) reconstructs y, and what z costs.
        f_z, terms = self.latent_draw(image, features, draws)
        # The PixelCNN++: x, pixel by pixel, given f(z).
        primary = self.primary_reconstruction(image, f_z, label, draws.dropout_seed())
        return AGAVETerms(primary, *terms)

    def objective(
        self, terms: Any, auxiliary_weight: float, kl_weight: float | tf.Tensor
    ) -> tf.Tensor:
        """Eq. 7: ln p(x|z) + ln p(y|z) - lambda KL, with weights; Eq. 6 with 0 and 1.

        Arguments as ImageModel.
        """
        return (
            terms.primary_reconstruction
            + auxiliary_weight * terms.auxiliary_reconstruction
            - kl_weight * terms.kl_objective
        )

    def bound(self, terms: Any) -> tf.Tensor:
        """The ELBO of x, Eq. 6: no auxiliary term, KL unweighted."""
        return terms.primary_reconstruction - terms.kl

    def parts(self, terms: Any, size: Size | None = None) -> list[Part]:
        """Lists bits_per_dim = primary_reconstruction + kl, per dimension of x.

        The auxiliary reconstruction, per dimension of y, is no part of that sum.
        """
        size = size or self.image_shape[:2]
        dims, dims_of_y = self.dims_of(size), self.auxiliary_dims_of(size)
        return [
            Part(WHOLE, self.bound(terms), dims),
            Part("primary_reconstruction", terms.primary_reconstruction, dims),
            Part("auxiliary_reconstruction", terms.auxiliary_reconstruction, dims_of_y),
            *kl_parts(terms.kl, terms.kl_per_level, dims),
        ]
