"""Streams the arrays of .npz and .npy files, which need not fit in memory."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import math
import os
import zipfile
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from agave_tf.checked_npz import refusing_damage
from agave_tf.errors import InputError

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an archive without members
_ROWS = 512
_BYTES_AT_ONCE = 32 * 2**20
# The longest header; NumPy would read as much as a header claims, up to 4 GiB.
_MOST_HEADER_BYTES = 2**14
_MOST_ROW_BYTES = 2**30  # as Pillow allows for a picture, and more
# Deflate cannot do better.
_MOST_COMPRESSION = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}


class Storage(NamedTuple):
    """The files of an array, by which it is known as long as they do not change."""

    paths: tuple[str, ...]
    facts: str  # tells its place in them and how it is read
    has_checksum: bool  # the archive has it: `digest` reads no elements


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array of a file, of which only the header has been read.

    path: of the file.
    member: its place in the archive, such as "images.npy"; None: the file is a .npy.
    shape: of the array.
    dtype: as stored; `rows` gives the byte order of this machine.
    is_fortran: whether the first index varies fastest in the file.
    data_offset: bytes before the first element.
    crc: checksum of the member, which its archive keeps; None for a .npy.
    """

    path: str
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    data_offset: int
    crc: int | None

    @property
    def storage(self) -> Storage:
        """The file of the array."""
        facts = repr((self.member, self.shape, self.dtype.str, self.crc))
        return Storage((self.path,), facts, self.crc is not None)

    def check_plain(self) -> None:
        """Raises InputError if the array holds Python objects, which are pickled."""
        if self.dtype.hasobject:
            raise self._unusable("it has an array of Python objects")

    def rows(self) -> Iterator[np.ndarray]:
        """Reads the array in order, at most 512 rows [n,...] at a time.

        An array in Fortran order does not store its rows one by one, and is loaded
        whole.

        Raises:
          InputError: the file is damaged, or the array holds Python objects.
        """
        self.check_plain()
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        if row_bytes > _MOST_ROW_BYTES:
            raise self._unusable(f"one row of an array has {row_bytes} bytes")
        step = rows_at_once(self.shape[1:], self.dtype)
        rows: Iterator[np.ndarray]
        with refusing_damage(self._unusable):
            if self.is_fortran:
                whole = np.ascontiguousarray(self._load())
                rows = (whole[i : i + step] for i in range(0, len(whole), step))
            else:
                rows = self._stream(step)
            native = self.dtype.newbyteorder("=")
            yield from (chunk.astype(native, copy=False) for chunk in rows)

    def digest(self) -> str:
        """A checksum of the elements; the data is read only where no archive has it.

        Raises:
          InputError: the file is damaged.
        """
        if self.crc is not None:
            return f"{self.crc:08x}"
        digest = hashlib.blake2b(digest_size=16)
        with refusing_damage(self._unusable), self._open() as file:
            while data := file.read(2**20):
                digest.update(data)
        return digest.hexdigest()

    def _unusable(self, reason: str) -> InputError:
        return _unusable(self.path, reason)

    def _stream(self, step: int) -> Iterator[np.ndarray]:
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        with self._open() as file:
            file.read(self.data_offset)  # zipfile checks no CRC after seek().
            for start in range(0, self.shape[0], step):
                count = min(step, self.shape[0] - start)
                data = file.read(count * row_bytes)
                rows = np.frombuffer(data, self.dtype)
                yield rows.reshape(count, *self.shape[1:])
            file.read(1)  # At the end of a member its CRC is checked.

    def _load(self) -> np.ndarray:
        loaded = np.load(self.path, allow_pickle=False)
        if self.member is None:
            return loaded
        with loaded:
            return loaded[self.member]

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        if self.member is None:
            with open(self.path, "rb") as file:
                yield file
        else:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as f:
                yield f


def rows_at_once(row_shape: tuple[int, ...], dtype: np.dtype) -> int:
    """The number of rows, such as images, to read at a time: 512, or about 32 MiB.

    Args:
      row_shape: of one row.
      dtype: of its elements.
    """
    row_bytes = max(1, math.prod(row_shape) * dtype.itemsize)
    return max(1, min(_ROWS, _BYTES_AT_ONCE // row_bytes))


def stored_arrays(path: str) -> dict[str, StoredArray]:
    """The arrays of a file by name, with their headers alone read.

    The bytes of the file tell what it is, whatever its suffix. The array of a .npy,
    which has no name there, is called "images". Pickled content is never loaded.

    Raises:
      InputError: there is no such file, or it is no whole .npz or .npy.
    """
    if not os.path.isfile(path):
        hint = " folder:PATH reads a directory." if os.path.isdir(path) else ""
        raise InputError(
            f"`dataset` must be npz:PATH of a file; there is no file {path!r}.{hint}"
        )
    with refusing_damage(functools.partial(_unusable, path)):
        with open(path, "rb") as file:
            if not file.read(4).startswith(_ZIP_MAGIC):
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                return {"images": _read_header(file, path, None, size, None)}
        arrays = {}
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    name = info.filename.removesuffix(".npy")
                    _check_size(info, os.path.getsize(path))
                    with archive.open(info) as member:
                        arrays[name] = _read_header(
                            member, path, info.filename, info.file_size, info.CRC
                        )
        return arrays


def _read_header(
    file: IO[bytes], path: str, member: str | None, size: int, crc: int | None
) -> StoredArray:
    """Reads the header of an array; `size` is that of header and data, in bytes."""
    start = io.BytesIO(file.read(_MOST_HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"unknown version {version} of the .npy format")
    # Version 3.0 differs from 2.0 in the names of fields, which no image has.
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = read(start)
    if any(side < 0 for side in shape):
        raise ValueError(f"{member or 'its array'} claims the shape {list(shape)}")
    array = StoredArray(path, member, shape, dtype, is_fortran, start.tell(), crc)
    expected = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and size - start.tell() != expected:
        raise ValueError(
            f"{member or 'its array'} needs {expected} bytes of data and has "
            f"{size - start.tell()}"
        )
    return array


def _check_size(info: zipfile.ZipInfo, file_bytes: int) -> None:
    """Checks the size that an archive claims for a member, before memory is taken.

    Raises:
      ValueError: the archive is too short for it.
    """
    ratio = _MOST_COMPRESSION.get(info.compress_type, 0)
    if not ratio:
        raise ValueError(
            f"{info.filename} is compressed in a way that NumPy never uses"
        )
    if info.file_size > ratio * min(info.compress_size, file_bytes):
        raise ValueError(
            f"{info.filename} claims {info.file_size} bytes, and the archive has "
            f"{min(info.compress_size, file_bytes)} for it"
        )


def _unusable(path: str, reason: str) -> InputError:
    return InputError(
        f"`dataset` must be an .npz or .npy of plain arrays (never pickled); {path!r} "
        f"is not ({reason})."
    )
