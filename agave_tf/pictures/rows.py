"""Rows of pictures that show a model: samples, reconstructions, interpolations, ...

Lucas & Verbeek 2018, Figures 2 to 7. A row has one image for each column. The draws of
a column follow from the seed and the column's number.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.pictures.completion_mask import with_mean_colour
from agave_tf.pictures.picture_row import PictureRow
from agave_tf.sampling.draw_columns import draw_columns
from agave_tf.sampling.draw_images import SamplingSettings, batches_of
from agave_tf.sampling.draw_latents import Latents
from agave_tf.sampling.labels import Label, labels_along, labels_for


class Sampler:
    """Draws rows of pictures from a model, `settings.batch_size` columns at a time.

    Labels are read by a class-conditional PixelCNN++ only: one for all columns, or a
    list that is repeated over them. Where there are images, the default is theirs.

    Args:
      model: a model with a VAE, a PixelCNN++, or both; rows that need a part it lacks
        are left out.
      settings: how to draw.

    Raises (every method):
      InputError: the model lacks the part that the pictures are about, the images have
        another shape than the model's, or labels that it needs are missing or unknown.
    """

    def __init__(self, model: AGAVE, settings: SamplingSettings):
        _check_at_least("batch_size", settings.batch_size, 1)
        self.model, self.settings = model, settings
        self._latents = Latents(model, settings.seed, settings.z_temperature)

    def prior(
        self, num_images: int, num_samples: int = 1, label: Label | None = None
    ) -> list[PictureRow]:
        """f(z) of z ~ p(z), and finished images (Figure 2).

        Args:
          num_images: number of columns, B.
          num_samples: number of finished images for each f(z).
          label: the classes to draw.
        """
        _check_at_least("num_images", num_images, 1)
        index = np.arange(num_images, dtype=np.int32)
        labels = self._labels(label, num_images)
        return self._rows(index, self._latents.prior_f_z, num_samples, labels)

    def condition(
        self, num_images: int, num_samples: int = 10, label: Label | None = None
    ) -> list[PictureRow]:
        """f(z) of z ~ p(z), and many images finished from each (Figure 5).

        Arguments as for `prior`.
        """
        if self.model.vae is None or self.model.pixel_cnn is None:
            raise InputError(
                "`mode` condition must have a run with a VAE and a PixelCNN++; got one "
                "with one of them."
            )
        return self.prior(num_images, num_samples, label)

    def reconstruct(
        self, images: Images, num_samples: int = 1, label: Label | None = None
    ) -> list[PictureRow]:
        """Images, f(z) of z ~ q(z|x), and images finished from it (Figure 3)."""
        self._check(images, needs_vae="reconstruct")
        index = np.arange(len(images.image), dtype=np.int32)
        labels = self._labels(label, len(index), images)

        def f_z_of(columns: np.ndarray) -> tf.Tensor:
            return self._latents.posterior_f_z(images.image[columns], columns)

        rows = self._rows(index, f_z_of, num_samples, labels)
        return [PictureRow("image", images.image), *rows]

    def interpolate(
        self,
        images: Images,
        num_steps: int = 8,
        num_samples: int = 1,
        label: Label | None = None,
    ) -> list[PictureRow]:
        """From image 2i to image 2i+1 in num_steps, along z (Figure 6).

        At every level z moves in a straight line between draws of q(z|x) for the two
        images, made with the same noise. The same noise finishes every step, so only
        the images make one step differ from the next. A class-conditional model is
        given the label of the nearer image; a list of labels is one for each image.
        """
        self._check(images, needs_vae="interpolate")
        _check_at_least("num_steps", num_steps, 2)
        if len(images.image) % 2:
            raise InputError(
                "`num_images` must be even to interpolate between pairs of images; "
                f"got {len(images.image)}."
            )
        num_pairs = len(images.image) // 2
        index = np.repeat(np.arange(num_pairs, dtype=np.int32), num_steps)
        labels = self._labels(label, len(images.image), images)
        labels = labels_along(labels, num_steps)

        def f_z_of(columns: np.ndarray) -> tf.Tensor:
            return self._latents.f_z_between(images.image, num_steps, columns)

        along = self._rows(index, f_z_of, num_samples, labels)
        rows = []
        for i in range(num_pairs):
            given = np.full((num_steps, *self.model.image_shape), 255, np.uint8)
            given[0], given[-1] = images.image[2 * i : 2 * i + 2]
            rows.append(PictureRow("image", given))
            steps = slice(i * num_steps, (i + 1) * num_steps)
            rows += [PictureRow(row.caption, row.images[steps]) for row in along]
        return rows

    def complete(
        self,
        images: Images,
        is_given: np.ndarray,
        num_samples: int = 1,
        from_prior: bool = False,
        label: Label | None = None,
    ) -> list[PictureRow]:
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
        self._check(images)
        if self.model.pixel_cnn is None:
            raise InputError(
                "`mode` complete must have a run with a PixelCNN++; got one without."
            )
        size = self.model.image_shape[:2]
        if is_given.shape != size:
            raise InputError(
                f"`mask` must be of the images' size {size}; got {is_given.shape}."
            )
        partial = np.empty(images.image.shape, np.uint8)
        for rows, _, _ in batches_of(len(partial), self.settings.batch_size):
            partial[rows] = with_mean_colour(images.image[rows], is_given)
        index = np.arange(len(partial), dtype=np.int32)
        labels = self._labels(label, len(index), images)

        def f_z_of(columns: np.ndarray) -> tf.Tensor | None:
            if from_prior:
                return self._latents.prior_f_z(columns)
            return self._latents.posterior_f_z(partial[columns], columns)

        drawn = self._rows(index, f_z_of, num_samples, labels, (partial, is_given))
        return [
            PictureRow("image", images.image),
            PictureRow("given", partial),
            *drawn,
        ]

    def _check(self, images: Images, needs_vae: str = "") -> None:
        shape = tuple(images.image.shape[1:])
        if shape != self.model.image_shape:
            raise InputError(
                f"Images must have the model's shape {self.model.image_shape}; got "
                f"{shape}."
            )
        _check_at_least("num_images", len(images.image), 1)
        if needs_vae and self.model.vae is None:
            raise InputError(
                "`mode` must be prior or complete for a run without latent variables; "
                f"got {needs_vae}."
            )

    def _labels(
        self, label: Label | None, count: int, images: Images | None = None
    ) -> np.ndarray | None:
        """int32 [count], `label` or else that of the images; None if none is read."""
        if not self.model.num_classes or not self.settings.finish:
            return None
        if label is None and images is not None:
            label = images.label
        return labels_for(label, count, self.model.num_classes)

    def _rows(
        self,
        index: np.ndarray,
        f_z_of: Callable[[np.ndarray], tf.Tensor | None],
        num_samples: int,
        label: np.ndarray | None,
        given: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> list[PictureRow]:
        """The rows of f(z) and of samples; arguments as `draw_columns` takes them."""
        drawn = draw_columns(
            self.model, index, self.settings, f_z_of, num_samples, label, given
        )
        rows = [] if drawn.f_z is None else [PictureRow("f(z)", drawn.f_z)]
        for number, images in enumerate(drawn.samples, start=1):
            caption = "sample" if num_samples == 1 else f"sample {number}"
            rows.append(PictureRow(caption, images))
        return rows


def _check_at_least(name: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise InputError(f"`{name}` must be at least {minimum}; got {value}.")
