"""The arrays of a cache: written as images come, mapped, and checked if they changed.

NAME.npy has images, uint8 [N,H,W,C], and NAME_labels.npy their labels, int32 [N]. If
the images have several sizes, NAME.npy has all their pixels one after another, uint8
[total], and NAME_sizes.npy their heights and widths, int32 [N,2].
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.data.labels import joined_labels
from agave_tf.data.mixed_images import ImageArray, MixedImages, sizes_of
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
    """Writes the arrays of a part; returns the number of images.

    A source that shuffles its images gives their order at the end; they are then
    written once more, for which the disk must have room.
    """
    path = os.path.join(directory, f"{name}.npy")
    labels: list[np.ndarray | None] = []

    def images() -> Iterator[ImageArray]:
        for chunk in part.chunks:
            labels.append(chunk.label)
            yield chunk.image

    sizes = _write_images(path, images())
    order = part.order()
    if order.size:
        sizes = _write_in_order(path, sizes, order)
    if _are_many(sizes):
        np.save(os.path.join(directory, f"{name}_sizes.npy"), sizes)
    label = joined_labels(labels)
    if label is not None:
        ordered = label[order] if order.size else label
        np.save(os.path.join(directory, f"{name}_labels.npy"), ordered)
    return len(sizes)


def open_part(directory: str, name: str, count: int) -> Images:
    """Maps the images of a part, and reads their sizes and labels, if there are any.

    Raises:
      OSError, ValueError: a file is missing or damaged, or has not `count` images.
    """
    # As plain arrays: an index into np.memmap makes another memmap, slowly.
    pixels = np.asarray(_mapped(directory, f"{name}.npy"))
    sizes = _read_numbers(directory, f"{name}_sizes.npy", (count, 2))
    label = _read_numbers(directory, f"{name}_labels.npy", (count,))
    if sizes is not None:
        return Images(_mixed(pixels, sizes, name), label)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) != count:
        raise ValueError(
            f"{name}.npy has {pixels.dtype} {list(pixels.shape)} rather than uint8 "
            f"[{count},H,W,C]"
        )
    return Images(pixels, label)


def _mixed(pixels: np.ndarray, sizes: np.ndarray, name: str) -> MixedImages:
    """Images of several sizes; their channels follow from the number of values.

    Raises:
      ValueError: the pixels are not those of images of these sizes.
    """
    for channels in (1, 3):
        with contextlib.suppress(ValueError):
            return MixedImages(pixels, sizes, channels)
    raise ValueError(
        f"{name}_sizes.npy has not the sizes of the images in {name}.npy, which has "
        f"{pixels.dtype} {list(pixels.shape)}"
    )


def _read_numbers(
    directory: str, name: str, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Reads an array of int32; None if there is no such file.

    Raises:
      OSError, ValueError: it is damaged, or of another type or shape.
    """
    try:
        # Mapped first: memory is taken for no more than the file has.
        numbers = _mapped(directory, name)
    except FileNotFoundError:
        return None
    if numbers.dtype != np.int32 or numbers.shape != shape:
        raise ValueError(
            f"{name} has {numbers.dtype} {list(numbers.shape)} rather than int32 "
            f"{list(shape)}"
        )
    return np.array(numbers)


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


def _write_images(path: str, chunks: Iterable[ImageArray]) -> np.ndarray:
    """Writes images, some at a time; returns their sizes, int32 [N,2]."""
    sizes, channels = [np.zeros([0, 2], np.int32)], 0
    with open(path, "wb") as file:
        _write_header(file, (0,))
        start = file.tell()
        for image in chunks:
            pixels = image.pixels if isinstance(image, MixedImages) else image
            file.write(np.ascontiguousarray(pixels).data)
            sizes.append(sizes_of(image))
            channels = image.shape[3]
        all_sizes = np.concatenate(sizes)
        if _are_many(all_sizes):
            shape: tuple[int, ...] = (file.tell() - start,)
        else:
            shape = (len(all_sizes), *map(int, all_sizes[0]), channels)
        # The header keeps its length: NumPy leaves room in it for larger numbers.
        file.seek(0)
        _write_header(file, shape)
        if file.tell() != start:
            raise AssertionError("the header of the array grew")
        file.flush()
        os.fsync(file.fileno())
    return all_sizes


def _are_many(sizes: np.ndarray) -> bool:
    return bool((sizes != sizes[0]).any())


def _write_in_order(path: str, sizes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Replaces images by those in another order; returns their sizes in this order."""
    stored = np.asarray(np.load(path, mmap_mode="r"))
    images: ImageArray = stored
    if _are_many(sizes):
        images = MixedImages(stored, sizes, len(stored) // _num_pixels(sizes))
    ordered = f"{path}.ordered"
    ordered_sizes = _write_images(
        ordered, (images[rows] for rows in _some_at_a_time(sizes, order))
    )
    os.replace(ordered, path)
    return ordered_sizes


def _some_at_a_time(sizes: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    """Cuts an order of images into pieces of about `_BYTES_AT_ONCE` // 3 pixels."""
    ends = sizes[order].astype(np.int64).prod(axis=1).cumsum()
    pieces = ends // (_BYTES_AT_ONCE // 3)
    yield from np.split(order, np.flatnonzero(np.diff(pieces)) + 1)


def _num_pixels(sizes: np.ndarray) -> int:
    return int(sizes.astype(np.int64).prod(axis=1).sum())


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
