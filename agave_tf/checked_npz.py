"""Reads .npz files that another person may have made.

The table of contents and the header of every array are read first. Only what they
promise, and the caller finds right, is given memory.
"""

import contextlib
import functools
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from agave_tf.errors import InputError, cut, first_line, quoted
from agave_tf.plain_file import open_plain

# Weights and scores are compressed by a tenth at best, new ones that are mostly zero by
# a factor of three; a file that expands a thousand times is made to fill a memory.
_MOST_EXPANSION = 20
# The table of contents of 30,000 arrays; `zipfile` reads it whole, at once.
_MOST_AT_ONCE = 2**22
# Those that np.savez and np.savez_compressed use. The other two of `zipfile` cannot be
# read a part at a time.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENDING = ".npy"


class ArrayForm(NamedTuple):
    """The shape and the type of an array, without its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype


def read_npz(
    path: str, check: Callable[[Mapping[str, ArrayForm]], None] | None = None
) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file, by name.

    Args:
      path: the file.
      check: is called before any array is read, with the form of each by its name;
        raises InputError if they are not wanted.

    Raises:
      InputError: the file is no whole .npz, has an array twice or one that is not of
        numbers, or expands to more than twenty times its size; or `check` raises it.
      FileNotFoundError: there is no such file.
    """
    with open_plain(path) as file:
        return read_open_npz(file, path, check)


def read_open_npz(
    file: BinaryIO,
    path: str,
    check: Callable[[Mapping[str, ArrayForm]], None] | None = None,
) -> dict[str, np.ndarray]:
    """As `read_npz`, from a file that is open; `path` names it in messages."""
    with refusing_damage(functools.partial(_damaged, path)):
        size = os.fstat(file.fileno()).st_size
        with _archive(file) as archive:
            members = _members(archive)
            if sum(info.file_size for info in members.values()) > (
                _MOST_EXPANSION * size
            ):
                raise ValueError(
                    f"it expands to more than {_MOST_EXPANSION} times its size"
                )
            forms = {n: _read_form(archive, info) for n, info in members.items()}
            if check is not None:
                check(forms)
            return {n: _read_array(archive, info) for n, info in members.items()}


def npz_comment(path: str) -> bytes:
    """The comment of an .npz file, which `np.load` and `read_npz` pass over.

    It is empty if there is none, no such file, or a damaged one.
    """
    try:
        with (
            open_plain(path) as file,
            refusing_damage(functools.partial(_damaged, path)),
        ):
            return _archive(file).comment
    except (FileNotFoundError, InputError):
        return b""


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    # `zipfile` needs no more of a file than `_InParts` has.
    return zipfile.ZipFile(cast(BinaryIO, _InParts(file)))


class _InParts:
    """A file that is read in parts: a length that a file claims is not believed."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """As that of a file; ValueError if it would be more than 4 MiB."""
        wanted = size if 0 <= size <= _MOST_AT_ONCE else _MOST_AT_ONCE + 1
        data = self._file.read(wanted)
        if len(data) > _MOST_AT_ONCE:
            raise ValueError("its table of contents is too long")
        return data


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by the names of their arrays."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(_ENDING)
        if name == info.filename:
            raise ValueError(f"{quoted(name)} is no {_ENDING}")
        if name in members:
            raise ValueError(f"{quoted(name)} stands twice")
        if info.compress_type not in _COMPRESSIONS:
            raise ValueError(f"{quoted(name)} is compressed in another way")
        members[name] = info
    return members


def _read_form(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayForm:
    with archive.open(info) as member:
        # Later versions of the format are for headers of 64 KiB and more.
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{quoted(info.filename)} is of another version of .npy")
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        if dtype.kind not in "biuf":
            raise ValueError(f"{quoted(info.filename)} is not of numbers")
        expected = member.tell() + math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or info.file_size != expected:
            raise ValueError(f"{quoted(info.filename)} is not of the size it claims")
    return ArrayForm(shape, dtype)


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read(1)  # At the end of a member its checksum is compared.
        return array


def _damaged(path: str, reason: str) -> InputError:
    return InputError(
        f"{path} must be a whole .npz file; it cannot be read ({reason})."
    )


@contextlib.contextmanager
def refusing_damage(refusal: Callable[[str], InputError]) -> Iterator[None]:
    """Turns what damaged files raise into an InputError.

    Args:
      refusal: makes the error from the reason, which is the first line of what was
        raised.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib, NumPy, tokenize have their own kinds.
        raise refusal(cut(first_line(error))) from error
