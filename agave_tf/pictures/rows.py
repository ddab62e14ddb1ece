"""Rows of pictures that show a model: samples, reconstructions, interpolations, ...

Lucas & Verbeek 2018, Figures 2 to 7. A row has one image for each column. The draws of
a column follow from the seed and the column's number.
"""

import numpy as np
import tensorflow as tf
import tqdm

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.iaf_vae import VAEOutput
from agave_tf.pictures.picture_row import PictureRow, row_of_f_z
from agave_tf.randomness import Stream, stream
from agave_tf.sampling.draw_images import SamplingSettings, draw_images


class Sampler:
    """Draws rows of pictures from a model.

    Args:
      model: a model with a VAE, a PixelCNN++, or both; rows that need a part it lacks
        are left out.
      settings: how to draw.

    Raises (every method):
      InputError: the model lacks the part that the pictures are about, the images have
        another shape than the model's, or labels that it needs are missing.
    """

    def __init__(self, model: AGAVE, settings: SamplingSettings):
        self.model, self.settings = model, settings

    def prior(
        self, num_images: int, num_samples: int = 1, label: np.ndarray | None = None
    ) -> list[PictureRow]:
        """f(z) of z ~ p(z), and finished images (Figure 2).

        Args:
          num_images: number of columns, B.
          num_samples: number of finished images for each f(z).
          label: int32 [B], for a class-conditional PixelCNN++.
        """
        index = tf.range(num_images)
        f_z = self._prior_f_z(index)
        return [
            *row_of_f_z(f_z),
            *self._finished_rows(index, f_z, num_samples, label),
        ]

    def condition(
        self, num_images: int, num_samples: int = 10, label: np.ndarray | None = None
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

    def reconstruct(self, images: Images, num_samples: int = 1) -> list[PictureRow]:
        """Images, f(z) of z ~ q(z|x), and images finished from it (Figure 3)."""
        self._check(images, needs_vae="reconstruct")
        index = tf.range(len(images.image))
        f_z = self._posterior(images.image, index).f_z
        return [
            PictureRow("image", images.image),
            *row_of_f_z(f_z),
            *self._finished_rows(index, f_z, num_samples, images.label),
        ]

    def interpolate(self, images: Images, num_steps: int = 8) -> list[PictureRow]:
        """From image 2i to image 2i+1 in num_steps, along z (Figure 6).

        At every level z moves in a straight line between draws of q(z|x) for the two
        images, made with the same noise. The same noise finishes every step, so only
        the images make one step differ from the next. A class-conditional model is
        given the label of the nearer image.
        """
        self._check(images, needs_vae="interpolate")
        if len(images.image) % 2:
            raise InputError(
                "`num_images` must be even to interpolate between pairs of images; "
                f"got {len(images.image)}."
            )
        num_pairs = len(images.image) // 2
        pair = tf.range(num_pairs)
        ends = [self._posterior(images.image[end::2], pair).zs for end in (0, 1)]
        share = np.linspace(0, 1, num_steps, dtype=np.float32)
        share = tf.reshape(tf.constant(share), [1, -1, 1, 1, 1])

        def between(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            line = a[:, None] * (1 - share) + b[:, None] * share
            return tf.reshape(line, [-1, *a.shape[1:]])

        f_z = self.model.vae.decode([between(a, b) for a, b in zip(*ends, strict=True)])
        index = tf.repeat(pair, num_steps)
        label = _labels_along(images.label, num_steps)
        along = [*row_of_f_z(f_z), *self._finished_rows(index, f_z, 1, label)]
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
        partial = _with_mean_colour(images.image, is_given)
        index = tf.range(len(partial))
        if from_prior:
            f_z = self._prior_f_z(index)
        else:
            f_z = _f_z_of(self._posterior(partial, index))
        return [
            PictureRow("image", images.image),
            PictureRow("given", partial),
            *row_of_f_z(f_z),
            *self._finished_rows(
                index, f_z, num_samples, images.label, (partial, is_given)
            ),
        ]

    def _check(self, images: Images, needs_vae: str = "") -> None:
        shape = tuple(images.image.shape[1:])
        if shape != self.model.image_shape:
            raise InputError(
                f"Images must have the model's shape {self.model.image_shape}; got "
                f"{shape}."
            )
        if needs_vae and self.model.vae is None:
            raise InputError(
                "`mode` must be prior or complete for a run without latent variables; "
                f"got {needs_vae}."
            )

    def _prior_f_z(self, index: tf.Tensor) -> tf.Tensor | None:
        seed = stream(self.settings.seed, Stream.PRIOR)
        temperature = self.settings.z_temperature
        return _f_z_of(self.model.sample_prior(seed, index, temperature))

    def _posterior(self, image: np.ndarray, index: tf.Tensor) -> VAEOutput | None:
        seed = stream(self.settings.seed, Stream.POSTERIOR)
        temperature = self.settings.z_temperature
        return self.model.sample_posterior(tf.constant(image), seed, index, temperature)

    def _finished_rows(
        self,
        index: tf.Tensor,
        f_z: tf.Tensor | None,
        num_samples: int,
        label: np.ndarray | None,
        given: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> list[PictureRow]:
        if self.model.pixel_cnn is None or not self.settings.finish:
            return []
        if self.model.num_classes and label is None:
            raise InputError(
                "`label` must be given for every image drawn by a class-conditional "
                f"run, 0..{self.model.num_classes - 1}; got none."
            )
        total = num_samples * len(index)
        shown = self.settings.progress
        rows = []
        with tqdm.tqdm(
            total=total, desc="Drawing", unit="image", disable=not shown or None
        ) as bar:
            for sample in range(num_samples):
                images = draw_images(
                    self.model,
                    index,
                    self.settings,
                    f_z=f_z,
                    label=label,
                    given=given,
                    sample=sample,
                    progress=bar.update,
                )
                caption = "sample" if num_samples == 1 else f"sample {sample + 1}"
                rows.append(PictureRow(caption, images))
        return rows


def _f_z_of(output: VAEOutput | None) -> tf.Tensor | None:
    return None if output is None else output.f_z


def _labels_along(label: np.ndarray | None, num_steps: int) -> np.ndarray | None:
    """The labels of an interpolation's steps: those of the nearer image of each pair.

    int32 [2P] -> [P*num_steps]; in the middle the first image's.
    """
    if label is None:
        return None
    is_second = np.arange(num_steps) > (num_steps - 1) / 2
    return np.where(is_second, label[1::2, None], label[::2, None]).reshape(-1)


def _with_mean_colour(image: np.ndarray, is_given: np.ndarray) -> np.ndarray:
    """Gives missing pixels of uint8 [B,H,W,C] the mean colour of the given ones."""
    weight = is_given[None, :, :, None] / max(1, is_given.sum())
    mean = (image * weight).sum(axis=(1, 2), keepdims=True)
    colour = mean.round().astype(np.uint8) if is_given.any() else np.uint8(128)
    return np.where(is_given[None, :, :, None], image, colour)
