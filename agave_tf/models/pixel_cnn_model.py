"""A model with an autoregressive decoder: the PixelCNN++, alone a model of x.

Salimans et al. 2017; Lucas & Verbeek 2018, section 3.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import tensorflow as tf

from agave_tf.layers.convolution import sides_of
from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.models.image_model import ImageModel
from agave_tf.models.objective import PixelCNNTerms
from agave_tf.models.padding import Size, cut
from agave_tf.models.parts import WHOLE, Part
from agave_tf.pixel_scale import to_unit_range
from agave_tf.randomness import DropoutSeed, ImageDraws
from agave_tf.settings.config import ModelConfig


class AutoregressiveModel(ImageModel):
    """A model with a PixelCNN++: p(x|z), or p(x) where there is no z.

    Arguments as ImageModel.
    """

    pixel_cnn: ConditionalPixelCNN

    def __init__(
        self,
        config: ModelConfig,
        image_shape: tuple[int, int, int],
        networks: Self | None = None,
    ):
        super().__init__(config, image_shape, networks)
        self.pixel_cnn = (
            networks.pixel_cnn
            if networks
            else ConditionalPixelCNN(
                config.pixel_cnn,
                self.image_shape[-1],
                self.auxiliary_shape[-1],
                config.compute_dtype,
                config.recompute,
            )
        )

    @property
    def num_classes(self) -> int:
        return self.config.pixel_cnn.num_classes

    @property
    def side_multiple(self) -> int:
        return max(super().side_multiple, self.pixel_cnn.side_multiple)

    def condition(self, f_z: tf.Tensor) -> list[tf.Tensor]:
        """The PixelCNN++'s condition from f(z) [B,h,w,c]; empty without channels."""
        factor = self.config.auxiliary.auxiliary_downsampling
        return self.pixel_cnn.condition(f_z, factor)

    def primary_log_prob(
        self,
        image: tf.Tensor,
        f_z: tf.Tensor,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """ln p of every pixel [B,H,W] nats, given f(z) and the pixels before it.

        Args:
          image: x.
          f_z: [B,h,w,c], of the shape `f_z_shape`, for x padded.
          label: int32 [B], for a class-conditional model.
          dropout_seed: None switches dropout off.
        """
        padded, condition = to_unit_range(self.pad(image)), self.condition(f_z)
        parameters = self.pixel_cnn(padded, condition, label, dropout_seed=dropout_seed)
        size = sides_of(image)
        likelihood = self.pixel_cnn.likelihood(cut(parameters, size))
        return likelihood.log_prob(cut(padded, size))

    def primary_reconstruction(
        self,
        image: tf.Tensor,
        f_z: tf.Tensor,
        label: tf.Tensor | None = None,
        dropout_seed: DropoutSeed | None = None,
    ) -> tf.Tensor:
        """ln p(x|z) [B] nats, given f(z); arguments as for `primary_log_prob`."""
        log_prob = self.primary_log_prob(image, f_z, label, dropout_seed)
        return tf.reduce_sum(log_prob, axis=[1, 2])


class PixelCNNModel(AutoregressiveModel):
    """The PixelCNN++ alone, whose ln p(x) is exact; arguments as ImageModel."""

    settings: ClassVar[tuple[str, ...]] = ("pixel_cnn",)
    terms_class: ClassVar[Any] = PixelCNNTerms

    def terms_given_features(
        self,
        image: tf.Tensor,
        features: Sequence[BottomUp],
        draws: ImageDraws,
        label: tf.Tensor | None = None,
    ) -> PixelCNNTerms:
        del features  # There is no z.
        f_z = tf.zeros([tf.shape(image)[0], *self.f_z_shape])
        seed = draws.dropout_seed()
        return PixelCNNTerms(self.primary_reconstruction(image, f_z, label, seed))

    def objective(
        self, terms: Any, auxiliary_weight: float, kl_weight: float | tf.Tensor
    ) -> tf.Tensor:
        del auxiliary_weight, kl_weight
        return terms.primary_reconstruction

    def bound(self, terms: Any) -> tf.Tensor:
        """ln p(x), which is exact."""
        return terms.primary_reconstruction

    def parts(self, terms: Any, size: Size | None = None) -> list[Part]:
        """Lists bits_per_dim = primary_reconstruction, per dimension of x."""
        nats = terms.primary_reconstruction
        dims = self.dims_of(size or self.image_shape[:2])
        return [Part(WHOLE, nats, dims), Part("primary_reconstruction", nats, dims)]
