"""Draws images from a model: samples, reconstructions, interpolations, completions.

Lucas & Verbeek 2018, Figures 2 to 7. The draws of a column follow from the seed and the
column's number.
"""

import contextlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from agave_tf.data.batches import padded_batches
from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.layers.exact_weights import computing_exactly, exact_weights
from agave_tf.layers.weight_norm import kernels_computed_once
from agave_tf.models.image_model import ImageModel
from agave_tf.models.padding import cut
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.models.vae_model import LatentVariableModel
from agave_tf.pixel_scale import to_levels
from agave_tf.progress_bar import progress_bar
from agave_tf.sampling.completion import Kept, keep
from agave_tf.sampling.draw_images import draw_images
from agave_tf.sampling.draw_latents import f_z_between, posterior_f_z, prior_f_z
from agave_tf.sampling.drawn import Drawn, SamplingSettings
from agave_tf.sampling.labels import Label, labels_along, labels_for
from agave_tf.sampling.modes import check_mode


class Sampler:
    """Draws from a model, `settings.batch_size` columns at a time.

    Labels are read by a class-conditional PixelCNN++ only: one for all columns, or a
    list that is repeated over them. Where there are images, the default is theirs.

    Images are drawn in the model's size, which `ImageModel.of_size` changes, or in that
    of the images that are given.

    With `settings.exact` it computes in exact arithmetic (layers/exact_weights.py). The
    encoder cannot, so z must be of the prior.

    Args:
      model: what it lacks is not drawn: f(z) of a PixelCNN++ alone, finished images of
        a VAE alone.
      settings: how to draw.

    Raises (every method):
      InputError: the model lacks the part that the pictures are about, the images have
        other channels than the model's or several sizes, labels that it needs are
        missing or unknown, or `settings.exact` does not go with it.
    """

    def __init__(self, model: ImageModel, settings: SamplingSettings):
        _check_at_least("batch_size", settings.batch_size, 1)
        for name in ("z_temperature", "pixel_temperature"):
            if settings.exact and getattr(settings, name) != 1.0:
                raise InputError(
                    f"`{name}` must be 1 with `exact`; got {getattr(settings, name)}."
                )
        self.model, self.settings = model, settings

    def prior(
        self, num_images: int, num_samples: int = 1, label: Label | None = None
    ) -> Drawn:
        """Draws f(z) of z ~ p(z), and finished images (Figure 2).

        Args:
          num_images: number of columns, B.
          num_samples: number of finished images for each f(z), S.
          label: the classes to draw.
        """
        _check_at_least("num_images", num_images, 1)
        index = np.arange(num_images, dtype=np.int32)
        labels = self._labels(label, num_images)

        def f_z(columns: np.ndarray) -> tf.Tensor:
            return prior_f_z(self.model, columns, self.settings)

        return self._draw(self.model, index, f_z, num_samples, labels)

    def condition(
        self, num_images: int, num_samples: int = 10, label: Label | None = None
    ) -> Drawn:
        """Draws f(z) of z ~ p(z), and many images finished from each (Figure 5).

        Arguments as for `prior`.
        """
        check_mode(self.model, "condition")
        return self.prior(num_images, num_samples, label)

    def reconstruct(
        self, images: Images, num_samples: int = 1, label: Label | None = None
    ) -> Drawn:
        """Draws f(z) of z ~ q(z|x), and images finished from it (Figure 3)."""
        image = images.array
        model = self._with_encoder("reconstruct", self._of_size(image))
        index = np.arange(len(image), dtype=np.int32)
        labels = self._labels(label, len(index), images)

        def f_z(columns: np.ndarray) -> tf.Tensor:
            return posterior_f_z(model, image[columns], columns, self.settings)

        start = {"image": image}
        return self._draw(model, index, f_z, num_samples, labels, start)

    def interpolate(
        self,
        images: Images,
        num_steps: int = 8,
        num_samples: int = 1,
        label: Label | None = None,
    ) -> Drawn:
        """Draws the way from image 2i to image 2i+1 in num_steps, along z (Figure 6).

        At every level z moves in a straight line between draws of q(z|x) for the two
        images, made with the same noise. The same noise finishes every step, so only
        the images make one step differ from the next. A class-conditional model is
        given the label of the nearer image; a list of labels is one for each image.
        Every pair is a group of `num_steps` columns, between whose images is white.
        """
        image = images.array
        model = self._with_encoder("interpolate", self._of_size(image))
        _check_at_least("num_steps", num_steps, 2)
        if len(image) % 2:
            raise InputError(
                "`num_images` must be even to interpolate between pairs of images; "
                f"got {len(image)}."
            )
        num_pairs = len(image) // 2
        index = np.repeat(np.arange(num_pairs, dtype=np.int32), num_steps)
        labels = self._labels(label, len(image), images)
        labels = labels_along(labels, num_steps)

        def f_z(columns: np.ndarray) -> tf.Tensor:
            return f_z_between(model, image, num_steps, columns, self.settings)

        ends = np.full((len(index), *model.image_shape), 255, np.uint8)
        ends[::num_steps], ends[num_steps - 1 :: num_steps] = (
            image[::2],
            image[1::2],
        )
        start = {"image": ends}
        return self._draw(
            model, index, f_z, num_samples, labels, start, num_groups=num_pairs
        )

    def complete(
        self,
        images: Images,
        is_given: np.ndarray,
        num_samples: int = 1,
        from_prior: bool = False,
        label: Label | None = None,
    ) -> Drawn:
        """Keeps some pixels of images and draws the rest, given z.

        z is drawn from q(z|x) of the image whose missing pixels have the mean colour of
        the given ones, or from p(z). The PixelCNN++ draws in raster order: a pixel
        depends on the pixels before it, and on later given pixels only through z.

        Args:
          images: images to complete.
          is_given: bool [H,W], True for the pixels to keep.
          num_samples: number of completions of each image.
          from_prior: whether to draw z from p(z).
          label: the classes to draw.
        """
        image = images.array
        model = self._of_size(image)
        check_mode(model, "complete", self.settings.exact, from_prior)
        kept = keep(image, is_given, self.settings.batch_size)
        index = np.arange(len(image), dtype=np.int32)
        labels = self._labels(label, len(index), images)

        def f_z(columns: np.ndarray) -> tf.Tensor:
            if from_prior or self.settings.exact:
                return prior_f_z(model, columns, self.settings)
            return posterior_f_z(model, kept.images[columns], columns, self.settings)

        start = {"image": image, "given": kept.images}
        return self._draw(model, index, f_z, num_samples, labels, start, kept)

    def _draw(
        self,
        model: ImageModel,
        index: np.ndarray,
        f_z: Callable[[np.ndarray], tf.Tensor],
        num_samples: int,
        label: np.ndarray | None,
        start: dict[str, np.ndarray] | None = None,
        kept: Kept | None = None,
        num_groups: int = 1,
    ) -> Drawn:
        """Draws f(z) and finished images for every column, a batch at a time.

        Of other columns than the batch's only finished pictures are in memory.

        Args:
          model: of the images' size.
          index: int32 [B]; the noise of the pixels of column i follows from index[i].
          f_z: gives f(z) [b,h,w,c] of columns, from their numbers int [b].
          num_samples: finished images in each column.
          label: int32 [B], for a class-conditional PixelCNN++.
          start, num_groups: as in Drawn.
          kept: the pixels to keep.
        """
        count, settings = len(index), self.settings
        finishes = isinstance(model, AutoregressiveModel) and settings.finish
        drawn = Drawn(
            np.empty((count, *model.auxiliary_shape), np.uint8),
            np.empty((num_samples * finishes, count, *model.image_shape), np.uint8),
            start or {},
            num_groups,
        )
        total = count * max(1, len(drawn.images))
        with (
            self._arithmetic(),
            kernels_computed_once(self.model),
            progress_bar("Drawing", total, disable=not settings.progress) as bar,
        ):
            for columns, num_valid, place in padded_batches(count, settings.batch_size):
                f_z_here = f_z(columns)
                shown = cut(to_levels(f_z_here), model.auxiliary_shape[:2])
                drawn.f_z[place] = shown.numpy()[:num_valid]
                for number, row in enumerate(drawn.images):
                    assert isinstance(model, AutoregressiveModel)
                    images = draw_images(
                        model,
                        index[columns],
                        settings,
                        f_z=f_z_here,
                        label=None if label is None else label[columns],
                        kept=None if kept is None else kept.some(columns),
                        sample=number,
                    )
                    row[place] = images[:num_valid]
                    bar.update(num_valid)
                if not len(drawn.images):
                    bar.update(num_valid)
        return drawn

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        """The context in which images are drawn."""
        if not self.settings.exact:
            return contextlib.nullcontext()
        return computing_exactly(self.model, exact_weights(self.model))

    def _with_encoder(self, mode: str, model: ImageModel) -> LatentVariableModel:
        """The model, which must have latent variables for this mode."""
        check_mode(model, mode, self.settings.exact)
        assert isinstance(model, LatentVariableModel)
        return model

    def _of_size(self, image: np.ndarray) -> ImageModel:
        """The model of the size of images, which must have its channels."""
        count, height, width, channels = image.shape
        if channels != self.model.image_shape[-1]:
            raise InputError(
                f"Images must have the model's {self.model.image_shape[-1]} channels; "
                f"got {channels}. `image_channels` converts."
            )
        _check_at_least("num_images", count, 1)
        return self.model.of_size((height, width))

    def _labels(
        self, label: Label | None, count: int, images: Images | None = None
    ) -> np.ndarray | None:
        """int32 [count], `label` or else that of the images; None if none is read."""
        if not self.model.num_classes or not self.settings.finish:
            return None
        if label is None and images is not None:
            label = images.label
        return labels_for(label, count, self.model.num_classes)


def _check_at_least(name: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise InputError(f"`{name}` must be at least {minimum}; got {value}.")
