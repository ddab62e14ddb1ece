"""The rows of pictures that the settings ask for, and the grid that shows them."""

from collections.abc import Sequence

import numpy as np
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.image_model import ImageModel
from agave_tf.pictures.grid import Grid, image_grid, write_strips
from agave_tf.sampling.completion import completion_mask
from agave_tf.sampling.drawn import Drawn, PictureRow, SamplingSettings
from agave_tf.sampling.labels import Label, labels_for
from agave_tf.sampling.modes import check_mode
from agave_tf.sampling.sampler import Sampler
from agave_tf.settings.pictures import PictureSettings


def draw_rows(
    model: ImageModel, config: PictureSettings, images: Images | None
) -> Drawn:
    """Draws the images that `config` asks for.

    Args:
      model: the model to draw from.
      config: what to draw and how.
      images: images to start from, or whose labels to draw for; None if neither is
        needed (`PictureSettings.reads_images`).

    Raises:
      InputError: the model cannot draw these rows, takes no labels, or needs labels
        that the images lack.
    """
    check_pictures(model, config)
    if images is not None and config.labels is None:
        images.check_labels(model.num_classes)
    sampler = Sampler(
        model,
        SamplingSettings(
            seed=config.seed,
            batch_size=config.sampling_batch_size,
            z_temperature=config.z_temperature,
            pixel_temperature=config.pixel_temperature,
            progress=True,
            exact=config.exact,
        ),
    )
    if config.shows_images:
        if images is None:
            raise ValueError(f"`images` must be given for {config.mode}; got None.")
        return _draw_from_images(sampler, config, images)
    label: Label | None = config.labels
    if label is None and images is not None and model.num_classes:
        # As many columns as asked for, however few images there are to name classes.
        assert images.label is not None  # `check_labels` has seen them.
        label = images.label[: config.num_images]
        logging.info("Classes of the columns, in turn: %s.", _listed(label))
    draw = sampler.condition if config.mode == "condition" else sampler.prior
    return draw(config.num_images, config.samples_each, label)


def _draw_from_images(
    sampler: Sampler, config: PictureSettings, images: Images
) -> Drawn:
    """Draws in a mode that starts from images."""
    samples, label = config.samples_each, config.labels
    if config.mode == "reconstruct":
        return sampler.reconstruct(images, samples, label)
    if config.mode == "interpolate":
        return sampler.interpolate(images, config.num_steps, samples, label)
    size = images.array.shape[1:3]
    is_given = completion_mask(size, config.mask, config.keep_top)
    from_prior = config.z_from == "prior"
    return sampler.complete(images, is_given, samples, from_prior, label)


def check_pictures(model: ImageModel, config: PictureSettings) -> None:
    """Checks that a model can draw pictures, before images are read.

    Raises:
      InputError: the model lacks what the mode needs, or does not know `label`.
    """
    check_mode(model, config.mode, config.exact, config.z_from == "prior")
    if config.labels is None:
        return
    if not model.num_classes:
        raise InputError(
            "`label` must be empty for a run that is not class-conditional "
            f"(--num_classes); got {config.label!r}."
        )
    labels_for(config.labels, config.num_images, model.num_classes)


def _listed(label: np.ndarray, shown: int = 16) -> str:
    """The first labels in words: "0, 3, 3, ..."."""
    words = [str(number) for number in label[:shown]]
    return ", ".join(words + ["..."] * (len(label) > shown))


def rows_grid(
    rows: Sequence[PictureRow], scale: int = 2, has_captions: bool = True
) -> np.ndarray:
    """One picture [H,W,3] of all rows, as `image_grid` makes it."""
    captions = [row.caption for row in rows] if has_captions else ()
    return image_grid([row.images for row in rows], scale=scale, captions=captions)


def write_rows(
    path: str, rows: Sequence[PictureRow], scale: int = 2, has_captions: bool = True
) -> None:
    """Writes the picture of `rows_grid` as a PNG, strip by strip, whole or not at all.

    The picture, which is many times larger than the rows, is never in memory.
    """
    captions = [row.caption for row in rows] if has_captions else ()
    grid = Grid([row.images for row in rows], scale=scale, captions=captions)
    write_strips(path, grid.shape, grid.strips())
