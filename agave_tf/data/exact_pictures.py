"""Picture files given by name: of any sizes, none of which is resized.

They are read as they are, or with the number of channels that a model takes.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.data.folder_tree import list_pictures
from agave_tf.data.mixed_images import ImageArray, ImageBuffer
from agave_tf.data.picture_decoding import Largest
from agave_tf.data.picture_file import read_pictures
from agave_tf.data.picture_paths import check_picture_paths
from agave_tf.data.source import FILES, Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig
from agave_tf.settings.image_size import MOST_PIXELS


class NamedImages(NamedTuple):
    """N pictures of files."""

    image: ImageArray  # uint8 [N,H,W,C], an array if all have one size
    names: list[str]  # of the files, below the directory that all have in common
    notes: list[str]  # what was converted or left out on the way


class NamedPictures(NamedTuple):
    """N pictures of files, as they are."""

    images: list[np.ndarray]  # uint8 [H,W,C], each of its own size and channels
    names: list[str]  # as in NamedImages
    notes: list[str]


def read_exact_pictures(paths: Sequence[str]) -> NamedPictures:
    """Reads picture files, and those in directories, in the order of their names.

    Args:
      paths: of files and directories.

    Raises:
      InputError: there is no such file, none at all, or one is unreadable or has a side
        of more than MOST_PIXELS.
    """
    notes, config = Notes(), DataConfig(dataset="folder:.")
    files = _files(paths, config, notes)
    images = list(_pictures(files, config, notes, MOST_PIXELS))
    return NamedPictures(images, _names(files), notes.sentences())


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
    for picture in _pictures(files, config, notes, longest_side, advice):
        buffer.add(picture[None])
    return NamedImages(buffer.images(), _names(files), notes.sentences())


def _pictures(
    files: Sequence[str],
    config: DataConfig,
    notes: Notes,
    longest_side: int,
    advice: str = "",
) -> Iterator[np.ndarray]:
    """Yields the pictures uint8 [H,W,C]; those that are too large are not decoded."""
    largest = Largest(longest_side, advice)
    for picture in read_pictures(files, config, notes, FILES, largest):
        assert picture is not None  # `config` leaves nothing out.
        yield picture


def _files(paths: Sequence[str], config: DataConfig, notes: Notes) -> list[str]:
    """The files at the paths, and those in directories, at least one."""
    check_picture_paths(paths)
    files = []
    for path in paths:
        if os.path.isdir(path):
            files += list_pictures(path, config, notes, FILES).paths
        else:
            files.append(path)
    if not files:
        raise InputError(f"`files` must have a picture; got {', '.join(paths)}.")
    return files


def _names(files: Sequence[str]) -> list[str]:
    """The paths of files below the directory that all have in common, with "/"."""
    above = os.path.commonpath([os.path.dirname(os.path.abspath(f)) for f in files])
    return [os.path.relpath(file, above).replace(os.sep, "/") for file in files]
