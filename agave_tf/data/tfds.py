"""Reads images of TensorFlow Datasets, by name."""

import difflib

import numpy as np
import tensorflow_datasets as tfds

from agave_tf.data.image_set import Images
from agave_tf.data.resize import crop_and_resize
from agave_tf.errors import InputError, first_line
from agave_tf.settings.config import DataConfig
from agave_tf.settings.image_size import parse_image_size


def load_tfds(config: DataConfig, split: str) -> Images:
    """Reads a split of a TFDS data set, prepared in `data_dir` or downloaded there.

    A data set without a `test` split gives its `validation` split instead.

    Raises:
      InputError: no such data set, no images in it, sizes that differ without an
        `image_size`, or it can be neither read nor downloaded.
    """
    builder = _find_builder(config)
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever its sources raise.
        raise InputError(
            f"`dataset` {config.dataset} must be prepared in `data_dir` or "
            f"downloadable; got data_dir={config.data_dir!r}; TFDS says: "
            f"{first_line(error)}"
        ) from error
    splits = builder.info.splits
    if split not in splits and "validation" in splits:
        split = "validation"
    if split not in splits:
        raise InputError(
            f"`dataset` must have a split {split}; {config.dataset} has "
            f"{', '.join(splits)}."
        )
    size = parse_image_size(config.image_size)
    if None not in builder.info.features["image"].shape:
        batches = tfds.as_numpy(builder.as_dataset(split=split, batch_size=512))
        parts = [(batch["image"], batch.get("label")) for batch in batches]
    elif size is None:
        raise InputError(
            f"`image_size` must be set for {config.dataset}, whose images differ in "
            "size; got nothing."
        )
    else:
        examples = tfds.as_numpy(builder.as_dataset(split=split))
        parts = [
            (crop_and_resize(example["image"], size)[None], _as_row(example))
            for example in examples
        ]
    label = None
    if parts[0][1] is not None and parts[0][1].ndim == 1:
        label = np.concatenate([label for _, label in parts]).astype(np.int32)
    return Images(np.concatenate([image for image, _ in parts]), label)


def _as_row(example: dict) -> np.ndarray | None:
    label = example.get("label")
    return None if label is None else np.asarray(label)[None]


def _find_builder(config: DataConfig) -> tfds.core.DatasetBuilder:
    arguments = {"data_dir": config.data_dir} if config.data_dir else {}
    try:
        builder = tfds.builder(config.dataset, **arguments)
    except (ValueError, ImportError) as error:
        close = difflib.get_close_matches(config.dataset, tfds.list_builders(), n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InputError(
            "`dataset` must be a TFDS name, folder:PATH, npz:PATH or dead_leaves; got "
            f"{config.dataset!r}.{hint}"
        ) from error
    if "image" not in (builder.info.features or {}):
        raise InputError(f"`dataset` must have images; {config.dataset} has none.")
    return builder
