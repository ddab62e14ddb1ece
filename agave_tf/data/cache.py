"""The cache: decoded images in files that are mapped into memory, not read into it.

A directory for each data set and each way of preparing it:

    train.npy, test.npy                 uint8 [N,H,W,C]; [total] for images of many
                                        sizes, one after another
    train_sizes.npy, test_sizes.npy     int32 [N,2], the heights and widths of these
    train_labels.npy, test_labels.npy   int32 [N], where there are labels
    about.json                          what they were made from, and their checksums

Its name ends with a digest of the fingerprint of the data set and of the settings that
prepare it. It is found again by that digest, wherever the data set lies. It is written
whole or not at all. One that another user may have written is not used.
"""

import contextlib
import glob
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from absl import logging

from agave_tf.data.cache_directory import (
    cache_directory,
    is_of_others,
    keep_from_others,
    others_may_write,
    user_number,
)
from agave_tf.data.cached_arrays import (
    ArrayFile,
    Unwritten,
    check_arrays,
    describe_arrays,
    open_part,
    write_part,
)
from agave_tf.data.image_set import Images
from agave_tf.data.source import ImageSource, fingerprint_of
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig, settings_to_compare
from agave_tf.whole_file import new_directory, remove_remains, writing

_ABOUT = "about.json"
_MOST_ABOUT_BYTES = 2**26
# A new number for every change of how images are decoded or prepared.
_VERSION = 2
# The settings that say where images are, and not what they look like.
_WHERE = ("dataset", "data_dir", "cache_dir")


class Cached(NamedTuple):
    """The content of a cache directory."""

    parts: dict[str, Images]
    about: dict[str, Any]


def cache_path(source: ImageSource, config: DataConfig) -> str:
    """The directory of one data set, prepared as `config` says, made or yet to make."""
    digest = cache_digest(_VERSION, (source.fingerprint, source.stored), config)
    for path in caches_made(digest, config):
        if not is_of_others(path):
            return path
        logging.warning("%s is not used, because it is of another user.", path)
    parent = cache_directory(config)
    name = re.sub(r"\W+", "_", source.name).strip("_")[-40:]
    path = os.path.join(parent, f"{name}-{digest}")
    if not os.path.lexists(path):
        return path
    return os.path.join(parent, f"{name}-{user_number()}-{digest}")


def cache_digest(version: int, facts: tuple[str, ...], config: DataConfig) -> str:
    """The end of a cache's name, which tells the data set and how it is prepared."""
    settings = settings_to_compare(config)
    how = {name: value for name, value in settings.items() if name not in _WHERE}
    return fingerprint_of(version, *facts, how)


def caches_made(digest: str, config: DataConfig) -> list[str]:
    """The directories of caches whose name has this end."""
    parent = cache_directory(config)
    made = glob.glob(os.path.join(glob.escape(parent), f"*-{digest}"))
    return sorted(path for path in made if os.path.isdir(path))


def open_cache(path: str) -> Cached | None:
    """Maps the images in the directory `path`; None if there is no such directory.

    Files that have changed since they were written, or were copied, are read and
    compared with their checksums.

    Raises:
      InputError: the directory is damaged, or others may have written to it.
    """
    if not os.path.isdir(path):
        return None
    try:
        _check_others(path)
        about = _read_about(path)
        described = {
            name: ArrayFile(**array) for name, array in about["arrays"].items()
        }
        now = check_arrays(path, described)
        parts = {
            name: open_part(path, name, count)
            for name, count in about["counts"].items()
        }
        files = {name for name in os.listdir(path) if name.endswith(".npy")}
        if files != described.keys():
            raise ValueError(f"{_ABOUT} names other files than there are")
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"`cache_dir` must hold whole caches; {path} is damaged ({error}). It can "
            "be removed, and is then made again."
        ) from error
    if now != described:
        with contextlib.suppress(OSError):  # It is checked again at the next start.
            _write_about(path, {**about, "arrays": now})
    return Cached(parts, about)


def write_cache(
    path: str,
    parts: Mapping[str, Unwritten],
    num_bytes: int,
    about: Callable[[], dict[str, Any]],
) -> Cached:
    """Writes the images of all parts to a new directory `path`, and maps them.

    Args:
      path: from `cache_path`.
      parts: the prepared images of every part.
      num_bytes: how many they will be.
      about: gives more to write to about.json; called when all images are written.

    Raises:
      InputError: the disk has too little space, the directory cannot be made, or
        others could write to it.
    """
    parent = os.path.dirname(path)
    _make_room(parent, num_bytes)
    try:
        with new_directory(path) as directory:
            keep_from_others(directory)
            _check_others(directory)
            counts = {
                name: write_part(directory, name, part) for name, part in parts.items()
            }
            for name in os.listdir(directory):
                keep_from_others(os.path.join(directory, name))
            arrays = describe_arrays(directory)
            _write_about(directory, {"counts": counts, "arrays": arrays, **about()})
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


def _check_others(path: str) -> None:
    """Raises InputError if other users may have written to a cache."""
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    paths = [path, *(os.path.join(path, name) for name in names)]
    if any(map(is_of_others, paths)):
        raise InputError(
            f"`cache_dir` must hold caches of this user; {path} has files of another. "
            "Another --cache_dir has room for its own."
        )
    if any(map(others_may_write, paths)):
        raise InputError(
            f"`cache_dir` must hold caches that only their owner may write to; others "
            f"may write to {path}. It can be removed, and is then made again, if the "
            "file system keeps permissions; otherwise set another --cache_dir."
        )


def _read_about(path: str) -> dict[str, Any]:
    with open(os.path.join(path, _ABOUT), encoding="utf-8") as file:
        text = file.read(_MOST_ABOUT_BYTES)
    return json.loads(text)


def _write_about(path: str, about: dict[str, Any]) -> None:
    arrays = {name: array._asdict() for name, array in about["arrays"].items()}
    text = json.dumps({**about, "arrays": arrays}, indent=2) + "\n"
    with writing(os.path.join(path, _ABOUT)) as file:
        keep_from_others(file.name)
        file.write(text.encode())
