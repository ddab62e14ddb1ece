"""Picture files given by name: of one shape, as they are, or of any size.

No picture is resized. Those of any size get the number of channels that a model takes.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.data.folder_tree import list_pictures
from agave_tf.data.mixed_images import ImageArray, ImageBuffer
from agave_tf.data.picture_file import read_pictures
from agave_tf.data.source import FILES, Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig


class NamedImages(NamedTuple):
    """N pictures of files."""

    image: ImageArray  # uint8 [N,H,W,C], an array if all have one size
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
    files = _files(paths, config, notes)
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
    return NamedImages(images, _names(files), notes.sentences())


def read_pictures_of_any_size(
    paths: Sequence[str], channels: int, longest_side: int, advice: str = ""
) -> NamedImages:
    """Reads picture files of any sizes, and those in directories, in the same order.

    Args:
      paths: of files and directories.
      channels: 1 or 3, to which the pictures are converted; a note says so.
      longest_side: the longest height or width that a picture may have.
      advice: what the error about a larger one ends with.

    Raises:
      InputError: there is no such file, none at all, or one is unreadable or too large.
    """
    notes = Notes()
    config = DataConfig(dataset="folder:.", image_channels=channels)
    files, buffer = _files(paths, config, notes), ImageBuffer(0)
    pictures = read_pictures(files, config, notes, FILES)
    for path, picture in zip(files, pictures, strict=True):
        assert picture is not None  # `config` leaves nothing out.
        height, width, _ = picture.shape
        if max(height, width) > longest_side:
            raise InputError(
                f"`files` must have pictures with sides of at most {longest_side} "
                f"pixels; {path} is {height}x{width}.{advice}"
            )
        buffer.add(picture[None])
    return NamedImages(buffer.images(), _names(files), notes.sentences())


def _files(paths: Sequence[str], config: DataConfig, notes: Notes) -> list[str]:
    """The files at the paths, and those in directories, at least one."""
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
    return files


def _names(files: Sequence[str]) -> list[str]:
    """The paths of files below the directory that all have in common, with "/"."""
    above = os.path.commonpath([os.path.dirname(os.path.abspath(f)) for f in files])
    return [os.path.relpath(file, above).replace(os.sep, "/") for file in files]
