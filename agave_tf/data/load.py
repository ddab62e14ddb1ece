"""Loads the images that the settings name, from a source of any kind."""

import numpy as np
import tensorflow as tf

from agave_tf.data.dead_leaves import draw_dead_leaves
from agave_tf.data.files import load_folder, load_npz
from agave_tf.data.image_set import Images
from agave_tf.data.pixel_scale import luma
from agave_tf.data.resize import crop_and_resize
from agave_tf.data.tfds import load_tfds
from agave_tf.errors import InputError
from agave_tf.settings.config import DataConfig
from agave_tf.settings.image_size import check_image_sides, parse_image_size

# Enough pictures for quickstart to learn from, drawn in seconds.
NUM_DEAD_LEAVES = {"train": 2_000, "test": 500}
_RESIZED_AT_ONCE = 512


def load_images(config: DataConfig, split: str, seed: int = 0) -> Images:
    """Loads all images of a split.

    Args:
      config: the settings of the data.
      split: "train" or "test".
      seed: seed of dead_leaves, and of the hold-out if a data set has no test part.

    Raises:
      InputError: no such data set, or images that cannot be used.
    """
    size = parse_image_size(config.image_size)
    kind, _, path = config.dataset.partition(":")
    if kind == "folder":
        raw = load_folder(path, config, split, seed)
    elif kind == "npz":
        raw = load_npz(path, split, seed)
    elif config.dataset == "dead_leaves":
        return _load_dead_leaves(config, split, seed)
    else:
        raw = load_tfds(config, split)
    if size is not None and raw.image.shape[1:3] != size:
        # Some at a time: as floats all of them might not fit.
        starts = range(0, len(raw.image), _RESIZED_AT_ONCE)
        parts = [raw.image[start : start + _RESIZED_AT_ONCE] for start in starts]
        resized = [crop_and_resize(part, size) for part in parts]
        raw = raw._replace(image=np.concatenate(resized))
    image = _with_channels(raw.image, config)
    check_image_sides(*image.shape[1:3], of="dataset")
    return Images(np.ascontiguousarray(image), raw.label)


def _load_dead_leaves(config: DataConfig, split: str, seed: int) -> Images:
    height, width = parse_image_size(config.image_size) or (32, 32)
    # The two splits are different stretches of one endless sequence.
    first = 0 if split == "train" else NUM_DEAD_LEAVES["train"]
    image = draw_dead_leaves(
        NUM_DEAD_LEAVES[split],
        height,
        width,
        config.image_channels or 3,
        seed,
        first,
    )
    return Images(image, None)


def _with_channels(image: np.ndarray, config: DataConfig) -> np.ndarray:
    """uint8 [N,H,W,C] with the number of channels that is asked for."""
    channels, wanted = image.shape[-1], config.image_channels
    if channels not in (1, 3):
        raise InputError(
            f"`dataset` must have images of 1 or 3 channels; {config.dataset} has "
            f"{channels}."
        )
    if wanted == 3 and channels == 1:
        raise InputError(
            f"`image_channels` must be 0 or 1 for gray images; got 3 with "
            f"{config.dataset}."
        )
    if wanted == 1 and channels == 3:
        return tf.cast(luma(image), tf.uint8).numpy()
    return image
