"""Images from the user's own files: folders of PNG and JPEG, and .npz arrays."""

import os
import zipfile
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from agave_tf.config import DataConfig
from agave_tf.image_size import parse_image_size
from agave_tf.input_error import InputError

_SUFFIXES = (".png", ".jpg", ".jpeg")
# Where a data set has no test part of its own, this share of it becomes one.
_HELD_OUT_SHARE = 0.1


class RawImages(NamedTuple):
    """Images as read."""

    image: np.ndarray  # uint8 [N,H,W,C]
    label: np.ndarray | None  # int32 [N]


def crop_and_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The centre of uint8 [...,H,W,C] at `size` (height, width), by area average."""
    height, width = size
    image_height, image_width = image.shape[-3:-1]
    factor = min(image_height / height, image_width / width)
    crop_height = min(image_height, round(height * factor))
    crop_width = min(image_width, round(width * factor))
    top = (image_height - crop_height) // 2
    left = (image_width - crop_width) // 2
    crop = image[..., top : top + crop_height, left : left + crop_width, :]
    resized = tf.image.resize(crop, size, method="area")
    return tf.cast(tf.round(resized), tf.uint8).numpy()


def load_folder(path: str, config: DataConfig, split: str, seed: int) -> RawImages:
    """PNG and JPEG files below `path`, in the order of their names.

    With subfolders train/ and test/ these are the splits; otherwise a tenth of the
    files, drawn by `seed`, is the test part.

    Raises:
      InputError: no such folder, no images in it, an unreadable file (unless they are
        to be skipped), or sizes that differ where no `image_size` is given.
    """
    if not os.path.isdir(path):
        raise InputError(
            f"`dataset` must be folder:PATH of a directory; there is no directory "
            f"{path!r}."
        )
    has_splits = all(os.path.isdir(os.path.join(path, s)) for s in ("train", "test"))
    root = os.path.join(path, split) if has_splits else path
    files = sorted(
        os.path.join(directory, name)
        for directory, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    )
    images, names = [], []
    for name in files:
        image = _read_image(name, config)
        if image is not None:
            images.append(image)
            names.append(name)
    if not images:
        raise InputError(
            f"`dataset` must be a folder with PNG or JPEG images; {root!r} has none."
        )
    for name, image in zip(names, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                "`dataset` must have images of one shape, or --image_size be set; "
                f"{names[0]} is {images[0].shape}, {name} is {image.shape}."
            )
    raw = RawImages(np.stack(images), None)
    return raw if has_splits else hold_out(raw, split, seed)


def _read_image(name: str, config: DataConfig) -> np.ndarray | None:
    """One file as uint8 [H,W,C]; None where it is unreadable and to be skipped."""
    try:
        with open(name, "rb") as file:
            image = tf.io.decode_image(file.read(), expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError as error:
        if config.corrupt_images == "skip":
            logging.warning("Skipping %s: not a readable PNG or JPEG.", name)
            return None
        raise InputError(
            f"`dataset` must have readable PNG or JPEG images; {name} is not. "
            "--corrupt_images=skip leaves such files out."
        ) from error
    if image.shape[-1] not in (1, 3):
        raise InputError(
            f"`dataset` must have images of 1 or 3 channels; {name} has "
            f"{image.shape[-1]}."
        )
    size = parse_image_size(config.image_size)
    return image if size is None else crop_and_resize(image, size)


def load_npz(path: str, split: str, seed: int) -> RawImages:
    """uint8 arrays of an .npz: `train` and `test`, or `images`, [N,H,W,C].

    Labels may come along as `train_labels` and `test_labels`, or `labels`. Pickled
    content is never loaded.

    Raises:
      InputError: no such file, not such an .npz, or arrays of another type or rank.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                key: file[key]
                for key in file.files
                if key in (split, f"{split}_labels", "images", "labels")
            }
    except FileNotFoundError as error:
        raise InputError(
            f"`dataset` must be npz:PATH of a file; there is no {path!r}."
        ) from error
    except (ValueError, OSError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"`dataset` must be an .npz of plain arrays (never pickled); {path!r} is "
            f"not ({error})."
        ) from error
    key = split if split in arrays else "images"
    if key not in arrays:
        raise InputError(
            f"`dataset` must have an array `images`, or `train` and `test`; {path!r} "
            "has neither."
        )
    image = arrays[key]
    label = arrays.get("labels" if key == "images" else f"{split}_labels")
    if image.dtype != np.uint8 or image.ndim != 4 or not len(image):
        raise InputError(
            f"`dataset` must have `{key}` as uint8 [N,H,W,C]; {path!r} has "
            f"{image.dtype} {list(image.shape)}."
        )
    if label is not None and (
        label.shape != image.shape[:1] or not np.issubdtype(label.dtype, np.integer)
    ):
        raise InputError(
            f"`dataset` must have one integer label for each of {len(image)} images; "
            f"{path!r} has {label.dtype} {list(label.shape)}."
        )
    raw = RawImages(image, None if label is None else label.astype(np.int32))
    return raw if key == split else hold_out(raw, split, seed)


def hold_out(images: RawImages, split: str, seed: int) -> RawImages:
    """The train or test part of images that have no such parts."""
    count = len(images.image)
    held_out = max(1, round(_HELD_OUT_SHARE * count))
    if count < 2:
        raise InputError(
            f"`dataset` must have at least 2 images, to hold some out; got {count}."
        )
    order = np.random.default_rng(seed).permutation(count)
    chosen = np.sort(order[-held_out:] if split == "test" else order[:-held_out])
    label = None if images.label is None else images.label[chosen]
    return RawImages(images.image[chosen], label)
