"""The protocol of a model: training, evaluation, drawing and coding use it.

Three models answer: the VAE alone, which models the auxiliary image y; the PixelCNN++
alone, which models x; and AGAVE, which models x with both (Lucas & Verbeek 2018,
section 3).
"""

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Self

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.iaf_ladder_layer import BottomUp
from agave_tf.models.iaf_vae import PosteriorOutput, VAEOutput
from agave_tf.models.padding import Size, pad
from agave_tf.models.parts import Part
from agave_tf.randomness import ImageDraws
from agave_tf.settings.config import ModelConfig


class ImageModel(BaseLayer):
    """A model of images. This class is one without latent variables.

    In the docstrings x is `image` uint8 [B,H,W,C]. f(z) of a model without latent
    variables has no channels, and the model has no level of z.

    H and W are anything from 1 up, and no weight depends on them: `of_size` gives the
    model of another size. The networks see x padded to multiples (padding.py), and f(z)
    is of the padded size; no padding is scored or drawn.

    Args:
      config: the networks, the auxiliary image and the precision.
      image_shape: (H,W,C) of x. (None,None,C): of any size, which follows from the
        images; without images nothing can be drawn.
      networks: a model whose networks this one shares; None: it makes its own.
    """

    # The parts of Config that the model's networks depend on.
    settings: ClassVar[tuple[str, ...]] = ()
    # The NamedTuple of models/objective.py that `terms` returns.
    terms_class: ClassVar[Any]

    def __init__(
        self,
        config: ModelConfig,
        image_shape: tuple[int, int, int],
        networks: Self | None = None,
    ):
        del networks
        super().__init__(name="agave")
        height, width, channels = image_shape
        self.config, self.image_shape = config, (height, width, channels)
        self.built = True  # Subclasses make their networks in the constructor.

    @property
    def architecture(self) -> tuple[Hashable, ...]:
        """Arguments of the class that make a model of the same architecture."""
        return self.config, self.image_shape

    def of_size(self, size: tuple[int, int] | tuple[None, None]) -> Self:
        """This model for images of another size, with the same weights.

        Args:
          size: (H,W); (None,None): of any size.
        """
        if tuple(size) == self.image_shape[:2]:
            return self
        shape: Any = (*size, self.image_shape[-1])
        return type(self)(self.config, shape, networks=self)

    @property
    def side_multiple(self) -> int:
        """The number to whose multiples the sides of images are padded."""
        return 1

    @property
    def num_classes(self) -> int:
        """Classes of the labels that the model must be given; 0: it takes none."""
        return 0

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """(h_l, w_l, z_channels) of every level of z, from the top."""
        return []

    @property
    def f_z_shape(self) -> tuple[int, int, int]:
        """(h,w,c) of f(z), with the padding."""
        return 1, 1, 0

    @property
    def auxiliary_shape(self) -> tuple[int, int, int]:
        """(h,w,c) of y, and of f(z) without the padding."""
        return 1, 1, 0

    def dims_of(self, size: Size) -> Any:
        """Dimensions (sub-pixels) of the image that `bound` is about.

        Args:
          size: (H,W) of x; numbers, or arrays for many images.
        """
        height, width = size
        return height * width * self.image_shape[-1]

    @property
    def num_dims(self) -> int:
        """As `dims_of`, for images of the model's own size."""
        return self.dims_of(self.image_shape[:2])

    def pad(self, image: tf.Tensor) -> tf.Tensor:
        """x as the networks see it, with sides that are multiples."""
        return pad(image, self.side_multiple)

    def encode(self, image: tf.Tensor) -> list[BottomUp]:
        """The encoder's features of x at every level, from the bottom."""
        del image
        return []

    def sample_prior(
        self, seed: tf.Tensor, index: tf.Tensor, temperature: float = 1.0
    ) -> VAEOutput:
        """Draws z ~ p(z) and computes f(z), for every index.

        Args:
          seed: int32 [2].
          index: int32 [B]; row i of the noise follows from `seed` and index[i].
          temperature: factor of the noise; 1 is the model.
        """
        del seed, temperature
        return VAEOutput(tf.zeros([tf.shape(index)[0], *self.f_z_shape]), [])

    def sample_posterior(
        self,
        image: tf.Tensor,
        seed: tf.Tensor,
        index: tf.Tensor,
        temperature: float = 1.0,
    ) -> PosteriorOutput:
        """Draws z ~ q(z|x) and computes f(z); arguments as for `sample_prior`."""
        del image
        return PosteriorOutput(*self.sample_prior(seed, index, temperature), [])

    def terms(
        self, image: tf.Tensor, draws: ImageDraws, label: tf.Tensor | None = None
    ) -> Any:
        """Computes every term of the objective for x, with one draw of z each.

        Args:
          image: x.
          draws: the source of the random draws.
          label: int32 [B], for a class-conditional model.

        Returns:
          The model's NamedTuple of models/objective.py.
        """
        return self.terms_given_features(image, self.encode(image), draws, label)

    def terms_given_features(
        self,
        image: tf.Tensor,
        features: Sequence[BottomUp],
        draws: ImageDraws,
        label: tf.Tensor | None = None,
    ) -> Any:
        """Same as `terms`, with `features` from `encode`, which many z can share."""
        raise NotImplementedError

    def zero_terms(self) -> Any:
        """Returns terms that are zero, the start of a sum of batch means."""
        shapes = {"kl_per_level": [len(self.latent_shapes)]}
        names = self.terms_class._fields
        return self.terms_class(*(tf.zeros(shapes.get(name, [])) for name in names))

    def objective(
        self, terms: Any, auxiliary_weight: float, kl_weight: float | tf.Tensor
    ) -> tf.Tensor:
        """The quantity that training maximises, [B] nats.

        Args:
          terms: from `terms`.
          auxiliary_weight: the weight of ln p(y|z); 1 in Eq. 7, 0 in Eq. 6.
          kl_weight: lambda in Eq. 7; 1 in Eq. 6.
        """
        raise NotImplementedError

    def bound(self, terms: Any) -> tf.Tensor:
        """The log-likelihood that the model is judged by, nats, of the terms' shape.

        A lower bound where there are latent variables. It contains neither the
        auxiliary term of AGAVE nor a weight of the KL.
        """
        raise NotImplementedError

    def parts(self, terms: Any, size: Size | None = None) -> list[Part]:
        """Lists what `bound` is made of and what is shown beside it.

        Args:
          terms: per image, or their means.
          size: as `dims_of` takes it; None: the model's own.
        """
        raise NotImplementedError
