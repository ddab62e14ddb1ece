"""Every way of looking at a model: samples, reconstructions, interpolations, ...

Lucas & Verbeek 2018, Figures 2 to 7. Each way gives rows of pictures, one image a
column. What is drawn for a column follows from the seed and the column's number.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from agave_tf.data.image_set import Images
from agave_tf.data.pixel_scale import to_levels
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.pictures.completion_mask import completion_mask
from agave_tf.pictures.grid import image_grid
from agave_tf.randomness import fold_in, seed_tensor
from agave_tf.sampling.draw_images import SamplingSettings, draw_images
from agave_tf.settings.pictures import PictureConfig


class PictureRow(NamedTuple):
    """A row of a grid."""

    caption: str
    images: np.ndarray  # uint8 [B,H,W,C] or [B,h,w,c]


def rows_grid(
    rows: Sequence[PictureRow], scale: int = 2, has_captions: bool = True
) -> np.ndarray:
    """One picture [H,W,3] of all rows, as `image_grid` makes it."""
    captions = [row.caption for row in rows] if has_captions else ()
    return image_grid([row.images for row in rows], scale=scale, captions=captions)


# What keeps the seeds of different draws apart; sampling.py has one too.
PRIOR_NOISE, _POSTERIOR_NOISE = 0, 1


class Sampler:
    """Draws rows of pictures from a model.

    Args:
      model: with a VAE, a PixelCNN++, or both; rows it cannot give are left out.
      settings: how.

    Raises (every method):
      InputError: the model lacks what the pictures are about, or the images have
        another shape than its own.
    """

    def __init__(self, model: AGAVE, settings: SamplingSettings):
        self.model, self.settings = model, settings

    def prior(
        self, num_images: int, num_samples: int = 1, label: np.ndarray | None = None
    ) -> list[PictureRow]:
        """f(z) of z ~ p(z), and finished images (Figure 2).

        Args:
          num_images: B.
          num_samples: finished images for each f(z).
          label: int32 [B], for a class-conditional PixelCNN++.
        """
        index = tf.range(num_images)
        f_z = None if self.model.vae is None else self._prior_f_z(index)
        return [
            *_row_of_f_z(f_z),
            *self._finished_rows(index, f_z, num_samples, label),
        ]

    def condition(self, num_images: int, num_samples: int = 10) -> list[PictureRow]:
        """f(z) of z ~ p(z), and many images finished from each (Figure 5)."""
        if self.model.vae is None or self.model.pixel_cnn is None:
            raise InputError(
                "`mode` condition must have a run with a VAE and a PixelCNN++; got one "
                "with one of them."
            )
        return self.prior(num_images, num_samples)

    def reconstruct(self, images: Images, num_samples: int = 1) -> list[PictureRow]:
        """Images, f(z) of z ~ q(z|x), and images finished from it (Figure 3)."""
        self._check(images, needs_vae="reconstruct")
        index = tf.range(len(images.image))
        f_z = self.model.vae.decode(self._posterior_zs(images.image, index))
        return [
            PictureRow("image", images.image),
            *_row_of_f_z(f_z),
            *self._finished_rows(index, f_z, num_samples, images.label),
        ]

    def interpolate(self, images: Images, num_steps: int = 8) -> list[PictureRow]:
        """From image 2i to image 2i+1 in num_steps, along z (Figure 6).

        z goes in a straight line, at every level, between draws of q(z|x) for the two
        images with the same noise, and the same noise finishes every step, so that
        what changes from one step to the next is the image's.
        """
        self._check(images, needs_vae="interpolate")
        if len(images.image) % 2:
            raise InputError(
                "`num_images` must be even to interpolate between pairs of images; "
                f"got {len(images.image)}."
            )
        num_pairs = len(images.image) // 2
        pair = tf.range(num_pairs)
        ends = [self._posterior_zs(images.image[end::2], pair) for end in (0, 1)]
        share = np.linspace(0, 1, num_steps, dtype=np.float32)
        share = tf.reshape(tf.constant(share), [1, -1, 1, 1, 1])

        def between(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            line = a[:, None] * (1 - share) + b[:, None] * share
            return tf.reshape(line, [-1, *a.shape[1:]])

        f_z = self.model.vae.decode([between(a, b) for a, b in zip(*ends, strict=True)])
        index = tf.repeat(pair, num_steps)
        along = [*_row_of_f_z(f_z), *self._finished_rows(index, f_z, 1, None)]
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

        z ~ q(z|x) of the image with its missing pixels at the mean colour of the given
        ones, or z ~ p(z). The PixelCNN++ draws in raster order: a pixel knows the given
        ones before it, and of those after it what z says.

        Args:
          images: to complete.
          is_given: bool [H,W], the pixels to keep.
          num_samples: completions of each image.
          from_prior: draws z from p(z).
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
        index, f_z = tf.range(len(partial)), None
        if self.model.vae is not None and from_prior:
            f_z = self._prior_f_z(index)
        elif self.model.vae is not None:
            f_z = self.model.vae.decode(self._posterior_zs(partial, index))
        return [
            PictureRow("image", images.image),
            PictureRow("given", partial),
            *_row_of_f_z(f_z),
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

    def _noise(self, kind: int, index: tf.Tensor) -> list[tf.Tensor]:
        seed = fold_in(seed_tensor(self.settings.seed), kind)
        noise = self.model.vae.draw_noise(seed, index)
        return [self.settings.z_temperature * level for level in noise]

    def _prior_f_z(self, index: tf.Tensor) -> tf.Tensor:
        return self.model.vae.sample_prior(self._noise(PRIOR_NOISE, index)).f_z

    def _posterior_zs(self, image: np.ndarray, index: tf.Tensor) -> list[tf.Tensor]:
        noise = self._noise(_POSTERIOR_NOISE, index)
        features = self.model.encode(tf.constant(image))
        return self.model.vae.sample_posterior(features, noise).zs

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


def draw_rows(
    model: AGAVE, config: PictureConfig, images: Images | None
) -> list[PictureRow]:
    """The rows that `config` asks for; InputError where the model cannot draw them.

    Args:
      model: to draw from.
      config: what and how.
      images: to start from, or with the labels to draw for; None: there are none.
    """
    sampler = Sampler(
        model,
        SamplingSettings(
            seed=config.seed,
            batch_size=config.sampling_batch_size,
            z_temperature=config.z_temperature,
            pixel_temperature=config.pixel_temperature,
            progress=True,
        ),
    )
    samples = config.samples_each
    if config.mode == "reconstruct":
        return sampler.reconstruct(images, samples)
    if config.mode == "interpolate":
        return sampler.interpolate(images, config.num_steps)
    if config.mode == "complete":
        is_given = completion_mask(model.image_shape[:2], config.mask, config.keep_top)
        return sampler.complete(images, is_given, samples, config.z_from == "prior")
    if config.mode == "condition":
        return sampler.condition(config.num_images, samples)
    if images is None:
        return sampler.prior(config.num_images, samples)
    return sampler.prior(len(images.image), samples, images.label)


def _row_of_f_z(f_z: tf.Tensor | None) -> list[PictureRow]:
    return [] if f_z is None else [PictureRow("f(z)", to_levels(f_z).numpy())]


def _with_mean_colour(image: np.ndarray, is_given: np.ndarray) -> np.ndarray:
    """uint8 [B,H,W,C] with its missing pixels at the mean of the given ones."""
    weight = is_given[None, :, :, None] / max(1, is_given.sum())
    mean = (image * weight).sum(axis=(1, 2), keepdims=True)
    colour = mean.round().astype(np.uint8) if is_given.any() else np.uint8(128)
    return np.where(is_given[None, :, :, None], image, colour)
