"""A folder of .npz files, each with some of the images of a part, as one."""

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from agave_tf.data.array_file import Storage, StoredArray, stored_arrays
from agave_tf.data.array_layout import Array, as_images
from agave_tf.data.array_names import PartArrays, find_whole
from agave_tf.data.hints import DIGEST_BYTES
from agave_tf.data.source import Notes
from agave_tf.errors import InputError

# Beginnings of names of files, in any case of letters, and the parts that they are of.
_PART_OF_FILE = re.compile(r"(train|test|validation|valid|val)(?:ing)?(?![a-z])", re.I)


class _File(NamedTuple):
    """A file of the folder."""

    name: str
    arrays: dict[str, StoredArray]
    whole: PartArrays  # the names of its images and labels


@dataclasses.dataclass(frozen=True)
class _JoinedArray:
    """Arrays of several files, one after the other."""

    arrays: tuple[StoredArray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """[N,...]; N of all of them."""
        count = sum(array.shape[0] for array in self.arrays)
        return (count, *self.arrays[0].shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """The type of the first array, which all have."""
        return self.arrays[0].dtype

    @property
    def storage(self) -> Storage:
        """The files of all of them, in order."""
        paths, facts, have_checksums = zip(*(array.storage for array in self.arrays))
        return Storage(
            tuple(path for each in paths for path in each),
            " ".join(facts),
            all(have_checksums),
        )

    def check_plain(self) -> None:
        """Raises InputError if an array holds Python objects."""
        for array in self.arrays:
            array.check_plain()

    def rows(self) -> Iterator[np.ndarray]:
        """Reads the arrays in order, some rows at a time."""
        for array in self.arrays:
            yield from array.rows()

    def digest(self) -> str:
        """A checksum of all elements."""
        digests = " ".join(array.digest() for array in self.arrays)
        return hashlib.sha256(digests.encode()).hexdigest()[: 2 * DIGEST_BYTES]


def find_arrays(path: str, notes: Notes) -> dict[str, Array]:
    """The arrays of a file, or of all .npz files of a folder, by name.

    Those of a folder are joined by part, which the names of the files begin with:
    train_data_batch_1.npz to train_data_batch_10.npz are `train_images` and
    `train_labels`. Files without parts are `images` and `labels`.

    Args:
      path: of the file or of the folder.
      notes: what is joined or left out is counted there.

    Raises:
      InputError: there is no such file, one is damaged, or they do not go together.
    """
    if not os.path.isdir(path):
        return as_images(stored_arrays(path), path)
    names = [name for name in os.listdir(path) if name.lower().endswith(".npz")]
    if not names:
        raise InputError(
            "`dataset` must be npz:PATH of a file or of a folder of .npz files; there "
            f"is no file in {path!r} that ends in .npz. folder:PATH reads pictures."
        )
    by_part: dict[str, list[_File]] = {}
    for name in sorted(names, key=_by_number):
        begins = _PART_OF_FILE.match(name)
        arrays = stored_arrays(os.path.join(path, name))
        file = _File(name, arrays, find_whole(arrays, os.path.join(path, name)))
        by_part.setdefault(begins[1].lower() if begins else "", []).append(file)
    others = by_part.pop("", [])
    if by_part and others:
        listed = ", ".join(file.name for file in others)
        notes.add(f"files that name no part left out ({listed})", len(others))
    joined: dict[str, Array] = {}
    for part, files in (by_part or {"": others}).items():
        prefix = f"{part}_" if part else ""
        notes.add(f"files joined to `{prefix}images`", len(files))
        for name in (name for f in files for name in f.arrays if name not in f.whole):
            notes.add(f"arrays {name} of files left out")
        joined |= _joined(files, prefix, path)
    return as_images(joined, path)


def _joined(files: list[_File], prefix: str, path: str) -> dict[str, Array]:
    """The images of files, and their labels if they have some.

    Raises:
      InputError: some have labels and others none, or the images are of other shapes.
    """
    images = [file.arrays[file.whole.image] for file in files]
    labels = [file.arrays[file.whole.label] for file in files if file.whole.label]
    for file, image in zip(files, images):
        if (image.dtype, image.shape[1:]) != (images[0].dtype, images[0].shape[1:]):
            raise InputError(
                f"`dataset` must have images of one shape and type; in {path!r} "
                f"{files[0].name} has {images[0].dtype} {list(images[0].shape)} and "
                f"{file.name} {image.dtype} {list(image.shape)}."
            )
        num_labels = _num_labels(file)
        if labels and num_labels != image.shape[0]:
            raise InputError(
                "`dataset` must have a label for every image or for none; in "
                f"{path!r} {file.name} has {image.shape[0]} images and "
                f"{num_labels} labels."
            )
    joined: dict[str, Array] = {f"{prefix}images": _JoinedArray(tuple(images))}
    if labels:
        joined[f"{prefix}labels"] = _JoinedArray(tuple(labels))
    return joined


def _num_labels(file: _File) -> int:
    return sum(sum(file.arrays[name].shape[:1]) for name in file.whole.names[1:])


def _by_number(name: str) -> list[tuple[int, str]]:
    """Sorts batch_2 before batch_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
