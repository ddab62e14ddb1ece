"""Hints: values computed from files, so that unchanged files are not read again.

The directory of the caches has a file for each data set and user, `hints-DIGEST.bin`:

    8 bytes       _MAGIC
    16 bytes      BLAKE2b of all that follows
    16 + L bytes  for each hint: a key, and a value of L bytes

A key is a digest of the absolute path, size, times and inode of the files that the
value was computed from. Hints only save time: one that is missing, damaged or another
user's is computed again.
"""

import dataclasses
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from absl import logging

from agave_tf.data.cache_directory import (
    cache_directory,
    is_of_others,
    keep_from_others,
    others_may_write,
    user_number,
)
from agave_tf.data.source import fingerprint_of
from agave_tf.settings.data import DataConfig
from agave_tf.whole_file import writing

DIGEST_BYTES = 16
# A new number for every change of the computation.
_MAGIC = b"agavehi1"
# 8 million files; those of a larger set are in part read again.
_MOST_BYTES = 2**28
# File systems keep times in steps of up to 2 s. A file that was changed within the
# last step could change again without a trace, as in the index of git.
_SETTLED_NS = 2 * 10**9


class FileState(NamedTuple):
    """The state of a file, without its content."""

    numbers: str  # another text after any change
    is_settled: bool  # a later change will change the text


def file_state(status: os.stat_result, now_ns: int) -> FileState:
    """Describes a file.

    Args:
      status: of the file, from before its content is read.
      now_ns: the time before `status` was looked up, as `time.time_ns` tells it.
    """
    # The second is that of the inode, which no user can set.
    modified, changed = status.st_mtime_ns, status.st_ctime_ns
    latest = now_ns - _SETTLED_NS
    return FileState(
        f"{status.st_size} {status.st_ino} {modified} {changed}",
        modified < latest and changed < latest,
    )


class State(NamedTuple):
    """The state of some files, without their content."""

    key: bytes  # [16]; another one after any change
    is_settled: bool  # a later change will change the key


def state_of(paths: Sequence[str], *facts: str) -> State:
    """Looks up the state of files, before their content is read.

    Args:
      paths: of the files, absolute.
      *facts: what else the value depends on.

    Raises:
      OSError: there is no such file.
    """
    now_ns = time.time_ns()
    files = [file_state(os.stat(path), now_ns) for path in paths]
    is_settled = all(file.is_settled for file in files)
    return joint_state(paths, [file.numbers for file in files], is_settled, *facts)


def joint_state(
    paths: Iterable[str], numbers: Iterable[str], is_settled: bool, *facts: str
) -> State:
    """The state of files that have been looked up.

    Args:
      paths: of the files, absolute.
      numbers: of each, from `file_state`.
      is_settled: whether all of them are.
      *facts: what else the value depends on.
    """
    described = itertools.chain.from_iterable(zip(paths, numbers, strict=True))
    text = "\0".join([repr(facts), *described]).encode(errors="surrogateescape")
    return State(hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest(), is_settled)


@dataclasses.dataclass
class Hints:
    """Hints of one data set, from `open_hints`.

    path: of their file.
    num_bytes: L, of every value.
    stored: values by key, as the file has them.
    """

    path: str
    num_bytes: int
    stored: dict[bytes, bytes]
    _used: dict[bytes, bytes] = dataclasses.field(default_factory=dict)

    def find(self, state: State) -> bytes | None:
        """The value that was computed from files in this state; None: unknown."""
        value = self.stored.get(state.key)
        if value is not None:
            self._used[state.key] = value
        return value

    def add(self, state: State, value: bytes) -> None:
        """Adds what was computed, unless the files may change without a trace.

        Args:
          state: of the files, from before they were read.
          value: L bytes.
        """
        if state.is_settled:
            self._used[state.key] = value

    def get(self, state: State, compute: Callable[[], bytes]) -> bytes:
        """The value of files in this state, which is computed if it is unknown."""
        value = self.find(state)
        if value is None:
            value = compute()
            self.add(state, value)
        return value

    def write(self) -> bool:
        """Writes the hints that were found or added, if there are new ones.

        Returns:
          True if the hints are kept; if they cannot be, this is logged.
        """
        if self._used.keys() <= self.stored.keys():
            return True
        most = _MOST_BYTES // (DIGEST_BYTES + self.num_bytes)
        content = b"".join(
            part for hint in list(self._used.items())[:most] for part in hint
        )
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with writing(self.path) as file:
                keep_from_others(file.name)
                file.write(_MAGIC + _checksum(content) + content)
        except OSError as error:
            logging.info(
                "What is known of the files cannot be kept in %s (%s): they are read "
                "again at the next start.",
                self.path,
                error.strerror,
            )
            return False
        return True


def open_hints(config: DataConfig, data_set: str, num_bytes: int) -> Hints:
    """Reads the hints of a data set, of which there may be none.

    Args:
      config: its `cache_dir` holds them; its splits have files of their own.
      data_set: tells it from others, such as its absolute path.
      num_bytes: L, of every value.
    """
    splits = config.train_split, config.test_split
    digest = fingerprint_of(user_number(), data_set, splits, num_bytes)
    path = os.path.join(cache_directory(config), f"hints-{digest}.bin")
    stored: dict[bytes, bytes] = {}
    try:
        stored = _read(path, num_bytes)
    except FileNotFoundError:  # The first start.
        pass
    except (OSError, ValueError) as error:
        logging.info("%s is not used and made again: %s.", path, error)
    return Hints(path, num_bytes, stored)


def _read(path: str, num_bytes: int) -> dict[bytes, bytes]:
    """Reads a file of hints.

    Raises:
      FileNotFoundError: there is none.
      OSError, ValueError: it cannot be trusted.
    """
    if is_of_others(path) or others_may_write(path):
        raise ValueError("other users may have written it")
    start, step = len(_MAGIC) + DIGEST_BYTES, DIGEST_BYTES + num_bytes
    with open(path, "rb") as file:
        # Before any of it is in memory.
        if os.fstat(file.fileno()).st_size > start + _MOST_BYTES:
            raise ValueError("it is too long")
        data = file.read(start + _MOST_BYTES)
    content = data[start:]
    if data[:start] != _MAGIC + _checksum(content) or len(content) % step:
        raise ValueError("it is damaged")
    return {
        content[i : i + DIGEST_BYTES]: content[i + DIGEST_BYTES : i + step]
        for i in range(0, len(content), step)
    }


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
