"""The cache: decoded images in files that are mapped into memory, not read into it.

A directory for each data set and each way of preparing it:

    train.npy, test.npy                 uint8 [N,H,W,C]
    train_labels.npy, test_labels.npy   int32 [N], where there are labels
    about.json                          what they were made from

Its name ends with a digest of the fingerprint of the data set and of the settings that
prepare it. It is found again by that digest, wherever the data set lies. It is written
whole or not at all.
"""

import contextlib
import dataclasses
import glob
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.data.source import Chunk, Source, fingerprint_of
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig
from agave_tf.whole_file import new_directory, remove_remains, write_text

_ABOUT = "about.json"
# A new number for every change of how images are decoded or prepared.
_VERSION = 1
# The settings that say where images are, and not what they look like.
_WHERE = ("dataset", "data_dir", "cache_dir")


class Cached(NamedTuple):
    """What a cache directory holds."""

    parts: dict[str, Images]
    about: dict[str, Any]


def cache_directory(config: DataConfig) -> str:
    """The directory that holds the caches of all data sets."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return config.cache_dir or os.path.join(home, "agave_tf")


def cache_path(source: Source, config: DataConfig) -> str:
    """The directory of one data set, prepared as `config` says, made or yet to make."""
    settings = dataclasses.asdict(config)
    how = {name: value for name, value in settings.items() if name not in _WHERE}
    digest = fingerprint_of(_VERSION, source.fingerprint, how)
    parent = cache_directory(config)
    made = glob.glob(os.path.join(glob.escape(parent), f"*-{digest}"))
    name = re.sub(r"\W+", "_", source.name).strip("_")[-40:]
    return made[0] if made else os.path.join(parent, f"{name}-{digest}")


def open_cache(path: str) -> Cached | None:
    """Maps the images in the directory `path`; None if there is no such directory.

    Raises:
      InputError: the directory is damaged.
    """
    if not os.path.isdir(path):
        return None
    try:
        with open(os.path.join(path, _ABOUT), encoding="utf-8") as file:
            about = json.load(file)
        parts = {name: _open_part(path, name) for name in about["counts"]}
        counts = {name: len(part.image) for name, part in parts.items()}
        if counts != about["counts"]:
            raise ValueError(f"{counts} images rather than {about['counts']}")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"`cache_dir` must hold whole caches; {path} is damaged ({error}). It can "
            "be removed, and is then made again."
        ) from error
    return Cached(parts, about)


def write_cache(
    path: str,
    chunks: Mapping[str, Iterator[Chunk]],
    num_bytes: int,
    about: Callable[[], dict[str, Any]],
) -> Cached:
    """Writes the images of all parts to a new directory `path`, and maps them.

    Args:
      path: from `cache_path`.
      chunks: the prepared images of every part.
      num_bytes: how many they will be.
      about: gives more to write to about.json; called when all images are written.

    Raises:
      InputError: the disk has too little space, or the directory cannot be made.
    """
    parent = os.path.dirname(path)
    _make_room(parent, num_bytes)
    try:
        with new_directory(path) as directory:
            counts = {
                name: _write_part(directory, name, part)
                for name, part in chunks.items()
            }
            text = json.dumps({"counts": counts, **about()}, indent=2) + "\n"
            write_text(os.path.join(directory, _ABOUT), text)
    except FileExistsError:
        pass  # Another process has made it in the meantime.
    cached = open_cache(path)
    if cached is None:
        raise InputError(
            f"`cache_dir` must keep its caches while they are used; {path} has been "
            "removed."
        )
    return cached


def _make_room(parent: str, num_bytes: int) -> None:
    """Makes the directory of all caches, and checks the space on its disk."""
    try:
        os.makedirs(parent, exist_ok=True)
        remove_remains(parent)
        free = shutil.disk_usage(parent).free
    except OSError as error:
        raise InputError(
            f"`cache_dir` must be a directory to write to; {parent} is not "
            f"({error.strerror})."
        ) from error
    if free < num_bytes:
        raise InputError(
            f"`cache_dir` must have {num_bytes / 1e9:.1f} GB free for the decoded "
            f"images; {parent} has {free / 1e9:.1f} GB. A smaller --image_size needs "
            "less."
        )


def _open_part(path: str, name: str) -> Images:
    # As plain arrays: an index into np.memmap makes another memmap, slowly.
    image = np.asarray(np.load(os.path.join(path, f"{name}.npy"), mmap_mode="r"))
    label = None
    with contextlib.suppress(FileNotFoundError):
        label = np.load(os.path.join(path, f"{name}_labels.npy"))
    return Images(image, label)


def _write_part(directory: str, name: str, chunks: Iterator[Chunk]) -> int:
    """Writes NAME.npy and NAME_labels.npy; returns the number of images."""
    count, shape = 0, ()
    labels: list[np.ndarray | None] = []
    with open(os.path.join(directory, f"{name}.npy"), "wb") as file:
        for chunk in chunks:
            if not count:
                shape = chunk.image.shape[1:]
                _write_header(file, (0, *shape))
            file.write(np.ascontiguousarray(chunk.image).data)
            count += len(chunk.image)
            labels.append(chunk.label)
        # Of the same length: NumPy leaves room in it for the number of images.
        start = file.tell() - count * int(np.prod(shape))
        file.seek(0)
        _write_header(file, (count, *shape))
        if file.tell() != start:
            raise AssertionError("the header of the array grew")
        file.flush()
        os.fsync(file.fileno())
    known = [label for label in labels if label is not None]
    if len(known) == len(labels):
        np.save(os.path.join(directory, f"{name}_labels.npy"), np.concatenate(known))
    return count


def _write_header(file: Any, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
