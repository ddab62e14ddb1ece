"""Loads the images that the settings name, from a data set of any kind."""

import importlib
from collections.abc import Callable, Sequence

from agave_tf.data.image_set import Data
from agave_tf.data.read_source import read_source
from agave_tf.data.source import IMAGE_PARTS, ImageSource
from agave_tf.settings.data import DataConfig
from agave_tf.settings.data_kinds import DataKind, named_data


def open_source(config: DataConfig, version_0_1_seed: int | None = None) -> ImageSource:
    """Finds the data set that the settings name, without reading its images.

    Args:
      config: the settings of the data.
      version_0_1_seed: the seed of a run of version 0.1, whose images depend on it:
        the pictures of dead_leaves, and the hold-out of a data set that has none. None
        for other runs.

    Raises:
      InputError: there is no such data set, or it cannot be used.
    """
    kind = named_data(config.dataset).kind
    if version_0_1_seed is not None:
        # Here, because few runs are of this version.
        from agave_tf.data import version_0_1

        if kind.name in version_0_1.OPENERS:
            return version_0_1.OPENERS[kind.name](config, version_0_1_seed)
    return opener_of(kind)(config)


def opener_of(kind: DataKind) -> Callable[[DataConfig], ImageSource]:
    """Imports the function that opens data sets of a kind.

    Only when it is needed: TensorFlow Datasets alone takes half a second.
    """
    module, function = kind.opener.split(".")
    return getattr(importlib.import_module(f"agave_tf.data.{module}"), function)


def load_data(
    config: DataConfig,
    parts: Sequence[str] = IMAGE_PARTS,
    version_0_1_seed: int | None = None,
) -> Data:
    """Loads the images that the settings name, and says what was loaded.

    Args:
      config: the settings of the data.
      parts: "train", "test" or both.
      version_0_1_seed: as `open_source` takes it.

    Raises:
      InputError: there is no such data set, or it has images that cannot be used.
    """
    return read_source(open_source(config, version_0_1_seed), config, parts)
