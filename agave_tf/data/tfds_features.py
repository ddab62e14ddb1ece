"""Finds the images and labels among the features of a TFDS data set."""

from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig


class LabelFeature(NamedTuple):
    """The feature that holds class numbers."""

    name: str | None  # None: the images have no labels
    classes: tuple[str, ...]  # names of the classes, where they have names
    left_out: str  # says which labels cannot be used; empty: none


def find_image(features: tfds.features.FeaturesDict | None, config: DataConfig) -> str:
    """The name of the feature that holds the images: `image`, or the only Image.

    Raises:
      InputError: there is none, or its images differ in size without an `image_size`,
        or they are of another type than uint8 or uint16, or of other channels than 1
        or 3.
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
    if None in feature.shape and not config.image_size:
        raise InputError(
            f"`image_size` must be set for {config.dataset}, whose images differ in "
            "size; got nothing."
        )
    return names[0]


def find_label(features: tfds.features.FeaturesDict) -> LabelFeature:
    """The feature that holds class numbers: `label`, or the only class label."""
    labels = tfds.features.ClassLabel
    names = sorted(name for name, f in features.items() if isinstance(f, labels))
    if "label" in features:
        names = ["label"]
    if not names:
        return LabelFeature(None, (), "")
    if len(names) > 1:
        return LabelFeature(
            None, (), f"labels left out, of several kinds ({', '.join(names)})"
        )
    feature = features[names[0]]
    if isinstance(feature, labels):
        classes = feature.names if feature.num_classes else ()
        return LabelFeature(names[0], tuple(classes), "")
    if _is_integer(feature):
        return LabelFeature(names[0], (), "")
    return LabelFeature(None, (), "labels of another kind than a class number left out")


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
