"""Loads the images that the settings name, from a data set of any kind."""

from collections.abc import Sequence

from agave_tf.data.arrays import open_arrays
from agave_tf.data.dead_leaves import open_dead_leaves
from agave_tf.data.folder import open_folder
from agave_tf.data.image_set import Data
from agave_tf.data.in_python import IN_PYTHON
from agave_tf.data.read_source import read_source
from agave_tf.data.source import IMAGE_PARTS, ImageSource
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig


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
    kind, _, path = config.dataset.partition(":")
    if kind == "folder":
        return open_folder(path, config, version_0_1_seed)
    if kind == "npz":
        return open_arrays(path, config, version_0_1_seed)
    if config.dataset == IN_PYTHON:
        raise InputError(
            "`dataset` must name the images of this run, which came from a Python "
            "program, such as npz:PATH or folder:PATH; got nothing."
        )
    if config.dataset == "dead_leaves":
        return open_dead_leaves(config, version_0_1_seed or 0)
    # Here, because TensorFlow Datasets takes half a second to import.
    from agave_tf.data.tfds import open_tfds

    return open_tfds(config)


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
