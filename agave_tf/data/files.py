"""Reads images from the user's own files: folders of PNG and JPEG, and .npz arrays."""

import os
import zipfile

import numpy as np
import tensorflow as tf
from absl import logging

from agave_tf.data.hold_out import hold_out
from agave_tf.data.image_set import Images
from agave_tf.data.resize import crop_and_resize
from agave_tf.errors import InputError
from agave_tf.settings.config import DataConfig
from agave_tf.settings.image_size import parse_image_size

_SUFFIXES = (".png", ".jpg", ".jpeg")


def load_folder(path: str, config: DataConfig, split: str, seed: int) -> Images:
    """Reads the PNG and JPEG files below `path`, in the order of their names.

    Subfolders train/ and test/ are the splits, if both exist; otherwise a tenth of the
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
    raw = Images(np.stack(images), None)
    return raw if has_splits else hold_out(raw, split, seed)


def _read_image(name: str, config: DataConfig) -> np.ndarray | None:
    """Reads a file as uint8 [H,W,C]; None if it is unreadable and may be skipped."""
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


def load_npz(path: str, split: str, seed: int) -> Images:
    """Reads uint8 arrays of an .npz: `train` and `test`, or `images`, [N,H,W,C].

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
    raw = Images(image, None if label is None else label.astype(np.int32))
    return raw if key == split else hold_out(raw, split, seed)
