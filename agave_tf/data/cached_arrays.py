"""The arrays of a cache: written as images come, mapped, and checked if they changed.

NAME.npy has images, uint8 [N,H,W,C], and NAME_labels.npy their labels, int32 [N].
"""

import contextlib
import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.data.labels import joined_labels
from agave_tf.data.source import Chunk

_BYTES_AT_ONCE = 2**25


class Unwritten(NamedTuple):
    """A part of a data set that is to be written."""

    chunks: Iterator[Chunk]
    order: Callable[[], np.ndarray]  # as in `ImagePart`


class ArrayFile(NamedTuple):
    """The description of a file with an array, by which a change of it is found."""

    checksum: str  # of the file
    stamp: list[int]  # size, times and inode, when it had this checksum


def write_part(directory: str, name: str, part: Unwritten) -> int:
    """Writes NAME.npy and NAME_labels.npy; returns the number of images.

    A source that shuffles its images gives their order at the end; they are then
    written once more, for which the disk must have room.
    """
    path = os.path.join(directory, f"{name}.npy")
    labels: list[np.ndarray | None] = []

    def images() -> Iterator[np.ndarray]:
        for chunk in part.chunks:
            labels.append(chunk.label)
            yield chunk.image

    count = _write_array(path, images())
    order = part.order()
    if order.size:
        _write_in_order(path, order)
    label = joined_labels(labels)
    if label is not None:
        ordered = label[order] if order.size else label
        np.save(os.path.join(directory, f"{name}_labels.npy"), ordered)
    return count


def open_part(directory: str, name: str, count: int) -> Images:
    """Maps the images of a part, and reads their labels, if there are any.

    Raises:
      OSError, ValueError: a file is missing or damaged, or has not `count` images.
    """
    # As plain arrays: an index into np.memmap makes another memmap, slowly.
    image = np.asarray(_mapped(directory, f"{name}.npy"))
    if image.dtype != np.uint8 or image.ndim != 4 or len(image) != count:
        raise ValueError(
            f"{name}.npy has {image.dtype} {list(image.shape)} rather than uint8 "
            f"[{count},H,W,C]"
        )
    label = None
    with contextlib.suppress(FileNotFoundError):
        # Mapped first: memory is taken for no more than the file has.
        label = np.array(_mapped(directory, f"{name}_labels.npy"))
    if label is not None and (label.dtype != np.int32 or label.shape != (count,)):
        raise ValueError(
            f"{name}_labels.npy has {label.dtype} {list(label.shape)} rather than "
            f"int32 [{count}]"
        )
    return Images(image, label)


def describe_arrays(directory: str) -> dict[str, ArrayFile]:
    """The checksum and the state of each array of a directory, by file name."""
    names = sorted(name for name in os.listdir(directory) if name.endswith(".npy"))
    return {
        name: ArrayFile(_checksum(directory, name), _stamp(directory, name))
        for name in names
    }


def check_arrays(
    directory: str, described: Mapping[str, ArrayFile]
) -> dict[str, ArrayFile]:
    """Reads the arrays whose files are not as they were written.

    Args:
      directory: the cache.
      described: from `describe_arrays`.

    Returns:
      Their description now.

    Raises:
      OSError, ValueError: an array is missing or has another checksum.
    """
    now = {}
    for name, (checksum, stamp) in described.items():
        found = _stamp(directory, name)
        if found != stamp:
            logging.info("Checking %s, which was copied or changed.", name)
            if _checksum(directory, name) != checksum:
                raise ValueError(f"{name} has another checksum")
        now[name] = ArrayFile(checksum, found)
    return now


def _write_array(path: str, chunks: Iterable[np.ndarray]) -> int:
    """Writes uint8 [N,H,W,C], some images [n,H,W,C] at a time; returns N."""
    count, shape = 0, ()
    with open(path, "wb") as file:
        for image in chunks:
            if not count:
                shape = image.shape[1:]
                _write_header(file, (0, *shape))
            file.write(np.ascontiguousarray(image).data)
            count += len(image)
        # The header keeps its length: NumPy leaves room in it for the number of images.
        start = file.tell() - count * math.prod(shape)
        file.seek(0)
        _write_header(file, (count, *shape))
        if file.tell() != start:
            raise AssertionError("the header of the array grew")
        file.flush()
        os.fsync(file.fileno())
    return count


def _write_in_order(path: str, order: np.ndarray) -> None:
    """Replaces an array by its rows in another order."""
    stored = np.asarray(np.load(path, mmap_mode="r"))
    step = max(1, _BYTES_AT_ONCE // max(1, stored[:1].nbytes))
    starts = range(0, len(order), step)
    ordered = f"{path}.ordered"
    _write_array(ordered, (stored[order[i : i + step]] for i in starts))
    os.replace(ordered, path)


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _mapped(directory: str, name: str) -> Any:
    return np.load(os.path.join(directory, name), mmap_mode="r")


def _checksum(directory: str, name: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(os.path.join(directory, name), "rb") as file:
        while data := file.read(_BYTES_AT_ONCE):
            digest.update(data)
    return digest.hexdigest()


def _stamp(directory: str, name: str) -> list[int]:
    status = os.stat(os.path.join(directory, name))
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
