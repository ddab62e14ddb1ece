"""Picture files as they are: nothing is resized or converted to other colours."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.data.folder_tree import list_pictures
from agave_tf.data.picture_file import read_pictures
from agave_tf.data.source import FILES, Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig


class NamedImages(NamedTuple):
    """Pictures of one shape."""

    image: np.ndarray  # uint8 [N,H,W,C]
    names: list[str]  # of the files, below the directory that all have in common
    notes: list[str]  # what was converted or left out on the way


def read_exact_pictures(
    paths: Sequence[str], shape: tuple[int, int, int]
) -> NamedImages:
    """Reads picture files, and those in directories, in the order of their names.

    Args:
      paths: of files and directories.
      shape: (H,W,C) that every picture must have.

    Raises:
      InputError: there is no such file, none at all, or one is unreadable or of another
        shape.
    """
    notes, config = Notes(), DataConfig(dataset="folder:.")
    files = []
    for path in paths:
        if os.path.isdir(path):
            files += list_pictures(path, config, notes, FILES).paths
        elif os.path.exists(path):
            files.append(path)
        else:
            raise InputError(
                f"`files` must be pictures or folders; there is no {path!r}."
            )
    if not files:
        raise InputError(f"`files` must have a picture; got {', '.join(paths)}.")
    above = os.path.commonpath([os.path.dirname(os.path.abspath(f)) for f in files])
    images = np.zeros([len(files), *shape], np.uint8)
    pictures = read_pictures(files, config, notes, FILES, shape[:2])
    for number, (path, picture) in enumerate(zip(files, pictures, strict=True)):
        assert picture is not None  # `config` leaves nothing out.
        if picture.shape != shape:
            raise InputError(
                f"`files` must have pictures of shape {list(shape)}, as the model; "
                f"{path} is {list(picture.shape)}."
            )
        images[number] = picture
    names = [os.path.relpath(file, above).replace(os.sep, "/") for file in files]
    return NamedImages(images, names, notes.sentences())
