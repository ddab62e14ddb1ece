"""The images of runs that version 0.1 began, which go on with them.

Their hold-out and the pictures of dead_leaves follow from the seed of the run, and a
folder has other files in another order.
"""

import os
import time
from collections.abc import Callable, Mapping

import numpy as np

from agave_tf.data.array_layout import Array
from agave_tf.data.arrays import HoldOut, open_arrays
from agave_tf.data.dead_leaves import open_dead_leaves
from agave_tf.data.folder import folder_path, picture_source
from agave_tf.data.folder_parts import PartFiles, divided, none_in
from agave_tf.data.folder_tree import PictureFiles, file_status
from agave_tf.data.hold_out import HELD_OUT_SHARE, check_count
from agave_tf.data.source import IMAGE_PARTS, ImageSource, Notes
from agave_tf.errors import InputError
from agave_tf.randomness import hold_out_generator
from agave_tf.settings.data import DataConfig


def open_folder_of_version_0_1(config: DataConfig, seed: int) -> ImageSource:
    """Opens a folder as version 0.1 did: without labels and splits of other names.

    Args:
      config: names the folder.
      seed: of the run.

    Raises:
      InputError: no such directory, or a part has no pictures.
    """
    files, held_out = _part_files(folder_path(config), seed)
    return picture_source(config, files, held_out, Notes())


def open_arrays_of_version_0_1(config: DataConfig, seed: int) -> ImageSource:
    """Opens arrays; those without parts have the hold-out of version 0.1.

    Args:
      config: names the file.
      seed: of the run.

    Raises:
      InputError: as `open_arrays`.
    """

    def choose(name: str, images: Array, config: DataConfig) -> np.ndarray:
        del name, config
        return is_held_out_in_version_0_1(images.shape[0], seed)

    rule = f"a tenth, by seed {seed}, as in version 0.1"
    # Other images than by content.
    return open_arrays(config, HoldOut(rule, choose, {"held out": rule}))


# By the name of the kind; those of other kinds are as in later versions.
OPENERS: Mapping[str, Callable[[DataConfig, int], ImageSource]] = {
    "folder": open_folder_of_version_0_1,
    "npz": open_arrays_of_version_0_1,
    "dead_leaves": open_dead_leaves,
}


def is_held_out_in_version_0_1(count: int, seed: int) -> np.ndarray:
    """The images that runs of version 0.1 hold out: a tenth, drawn by their seed.

    Args:
      count: images N.
      seed: of the run.

    Returns:
      bool [N].
    """
    check_count(count)
    order = hold_out_generator(seed).permutation(count)
    held_out = np.zeros(count, bool)
    held_out[order[-max(1, round(HELD_OUT_SHARE * count)) :]] = True
    return held_out


def _part_files(root: str, seed: int) -> tuple[PartFiles, str]:
    """Lists the files of both parts as version 0.1 did, for runs that it began.

    It drew the hold-out from the files that it could read. Here all files count: where
    it skipped corrupt ones, its hold-out was another.

    Args:
      root: a directory.
      seed: of the run.

    Raises:
      InputError: a part has no pictures.
    """
    if all(os.path.isdir(os.path.join(root, part)) for part in IMAGE_PARTS):
        parts = {part: _list_pictures(os.path.join(root, part)) for part in IMAGE_PARTS}
        for part, files in parts.items():
            if not files:
                raise InputError(none_in(os.path.join(root, part)))
        return parts, "the split test/"
    files = _list_pictures(root)
    if not files:
        raise InputError(none_in(root))
    held_out = is_held_out_in_version_0_1(len(files), seed)
    return divided(files, held_out), "a tenth, drawn by --seed as in version 0.1"


def _list_pictures(root: str) -> PictureFiles:
    """Lists the files that runs of version 0.1 used, in their order: also hidden ones.

    Links to directories are not followed.
    """
    paths = sorted(
        os.path.join(directory, name)
        for directory, _, names in os.walk(root)
        for name in names
        if name.lower().endswith((".png", ".jpg", ".jpeg"))
    )
    files, now_ns = PictureFiles(), time.time_ns()
    for path in paths:
        name = os.path.relpath(path, root).replace(os.sep, "/")
        files.add(path, name, file_status(path), now_ns)
    return files
