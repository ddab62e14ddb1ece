"""Finds a TFDS data set by its name, its splits, and its images and labels."""

import difflib
import os
import re
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from agave_tf.data.source import HELD_OUT_NAMES, Notes
from agave_tf.errors import InputError, first_line
from agave_tf.settings.data import DataConfig
from agave_tf.settings.data_kinds import WRITTEN


def find_builder(config: DataConfig) -> tfds.core.DatasetBuilder:
    """Finds the data set `dataset`, by NAME[/CONFIGURATION][:VERSION].

    Raises:
      InputError: there is none, or not in this version or configuration.
    """
    arguments = {"data_dir": config.data_dir} if config.data_dir else {}
    try:
        return tfds.builder(config.dataset, **arguments)
    except Exception as error:  # Each mistake in a name has its own kind.
        name = re.split("[:/]", config.dataset)[0]
        prepared = os.path.join(config.data_dir, name)
        if config.data_dir and name and os.path.isdir(prepared):
            there = f"{prepared} has {', '.join(sorted(os.listdir(prepared)))}"
        elif name in tfds.list_builders(with_community_datasets=False):
            # The message begins with the arguments.
            says = first_line(error).rpartition('}": ')[2]
            there = f"TFDS says: {says}{_configurations(name)}"
        else:
            raise _unknown(config.dataset, name) from error
        raise InputError(
            "`dataset` must be a version and a configuration that TFDS has, such as "
            f"cifar10:3.0.2; got {config.dataset!r}; {there}"
        ) from error


def choose_splits(
    splits: tfds.core.splits.SplitDict, config: DataConfig, notes: Notes
) -> dict[str, str]:
    """Chooses the splits, or expressions of them, of "train" and, if any, of "test".

    Args:
      splits: all splits of the data set.
      config: `train_split` and `test_split` are taken, if set.
      notes: the splits that are not used are counted there.

    Raises:
      InputError: no split `train`, no such split, or one without images.
    """
    by_lower_name = {name.lower(): name for name in sorted(splits)}
    train = config.train_split or by_lower_name.get("train", "")
    if not train:
        raise InputError(
            f"`train_split` must name the split of {config.dataset} to train on, where "
            f"none is called train; it has {', '.join(sorted(splits)) or 'none'}."
        )
    chosen = {"train": train}
    # Images that are trained on must not be held out by default.
    test = config.test_split or next(
        (
            by_lower_name[name]
            for name in HELD_OUT_NAMES
            if name in by_lower_name
            and splits[by_lower_name[name]].num_examples
            and not _is_part_of(by_lower_name[name], train)
        ),
        "",
    )
    if test:
        chosen["test"] = test
    for part, split in chosen.items():
        _check_split(split, f"{part}_split", splits, config.dataset)
    for name in sorted(splits):
        if not any(_is_part_of(name, split) for split in chosen.values()):
            notes.add(f"images of split {name} left out", splits[name].num_examples)
    return chosen


def _is_part_of(name: str, expression: str) -> bool:
    """Tells if an expression, such as train[:90%]+extra, takes images of a split."""
    terms = {term.partition("[")[0].strip() for term in expression.split("+")}
    return name in terms or "all" in terms


def _check_split(
    split: str, setting: str, splits: tfds.core.splits.SplitDict, dataset: str
) -> None:
    try:
        count = splits[split].num_examples
    except Exception as error:  # TFDS parses it, with errors of several kinds.
        raise InputError(
            f"`{setting}` must be a split of {dataset}, such as train or train[:90%]; "
            f"got {split!r}; it has {', '.join(sorted(splits))}."
        ) from error
    if not count:
        raise InputError(
            f"`{setting}` must have images; {split!r} of {dataset} has none."
        )


def _configurations(name: str) -> str:
    """Lists the configurations of a data set, if it has several."""
    names = list(tfds.builder_cls(name).builder_configs)
    return f" It has {', '.join(names[:10])}." if names else ""


def _unknown(dataset: str, name: str) -> InputError:
    names = tfds.list_builders(with_community_datasets=False)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    if os.path.isdir(dataset):
        close = [f"folder:{dataset}"]
    elif os.path.exists(dataset):
        close = [f"npz:{dataset}"]
    hint = f" Did you mean {close[0]}?" if close else ""
    return InputError(
        f"`dataset` must be a TFDS name, {', '.join(WRITTEN[:-1])} or {WRITTEN[-1]}; "
        f"got {dataset!r}.{hint}"
    )


class LabelFeature(NamedTuple):
    """The feature that holds class numbers."""

    name: str  # empty: the images have no labels
    classes: tuple[str, ...]  # names of the classes, where they have names
    left_out: str  # says which labels cannot be used; empty: none


def find_image(features: tfds.features.FeaturesDict | None, config: DataConfig) -> str:
    """The name of the feature that holds the images: `image`, or the only Image.

    Raises:
      InputError: there is none, or its images are of another type than uint8 or uint16,
        or of other channels than 1 or 3.
    """
    names = []
    if isinstance(features, tfds.features.FeaturesDict):
        # TFDS gives features in another order each time.
        names = sorted(name for name, f in features.items() if _is_image(f))
        if "image" in features:
            names = ["image"]
    if features is None or len(names) != 1:
        has = f"several: {', '.join(names)}" if names else "none"
        raise InputError(
            f"`dataset` must have images, a feature `image` or only one of type Image; "
            f"{config.dataset} has {has}."
        )
    feature = features[names[0]]
    is_array = isinstance(feature, tfds.features.Image | tfds.features.Tensor)
    if not is_array or len(feature.shape) not in (2, 3):
        raise InputError(
            f"`dataset` must have images [H,W,C]; {config.dataset} has `{names[0]}` of "
            f"type {type(feature).__name__}."
        )
    if feature.np_dtype not in (np.uint8, np.uint16):
        raise InputError(
            "`dataset` must have images of 8 or 16 bits, uint8 or uint16; "
            f"{config.dataset} has {np.dtype(feature.np_dtype)}."
        )
    if len(feature.shape) == 3 and feature.shape[-1] not in (1, 3, None):
        raise InputError(
            f"`dataset` must have images of 1 or 3 channels; {config.dataset} has "
            f"{feature.shape[-1]}."
        )
    return names[0]


def find_label(features: tfds.features.FeaturesDict) -> LabelFeature:
    """The feature that holds class numbers: `label`, or the only class label."""
    labels = tfds.features.ClassLabel
    names = sorted(name for name, f in features.items() if isinstance(f, labels))
    if "label" in features:
        names = ["label"]
    if not names:
        return LabelFeature("", (), "")
    if len(names) > 1:
        return LabelFeature(
            "", (), f"labels left out, of several kinds ({', '.join(names)})"
        )
    feature = features[names[0]]
    if isinstance(feature, labels):
        classes = feature.names if feature.num_classes else ()
        return LabelFeature(names[0], tuple(classes), "")
    if _is_integer(feature):
        return LabelFeature(names[0], (), "")
    return LabelFeature("", (), "labels of another kind than a class number left out")


def _is_image(feature: tfds.features.FeatureConnector) -> bool:
    # A LabeledImage is a map of the classes of another image's pixels.
    return isinstance(feature, tfds.features.Image) and not isinstance(
        feature, tfds.features.LabeledImage
    )


def _is_integer(feature: tfds.features.FeatureConnector) -> bool:
    return (
        isinstance(feature, tfds.features.Tensor)
        and feature.shape == ()
        and np.issubdtype(feature.np_dtype, np.integer)
    )
