"""The compilation cache: what XLA compiled for the CPU is kept for later commands.

TensorFlow itself keeps it, and finds it by the program and the number of threads. What
else machine code depends on is the name of a directory here: CPU, versions, flags of
XLA. TensorFlow cannot compute where it reads a damaged file, or cannot write; so files
that it is to read have a checksum, and the cache is off where little can be written.
"""

import contextlib
import glob
import hashlib
import importlib.util
import os
import re
import time
from collections.abc import Iterator
from importlib import metadata

from absl import logging

from agave_tf.data.cache_directory import (
    home_cache_directory,
    is_of_others,
    others_may_write,
)

# Names the directory of the cache; empty: nothing is kept.
DIRECTORY_VARIABLE = "AGAVE_COMPILATION_CACHE"
# TensorFlow reads it when it is imported, or soon after.
_FLAGS = "TF_XLA_FLAGS"
# What changes the machine code of one program.
_VARIABLES = ("XLA_FLAGS", _FLAGS, "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")
_CPU_FACTS = re.compile(
    r"^(?:vendor_id|model name|stepping|flags)\s*:.*$", re.MULTILINE
)
_MOST_BYTES = 2**28  # of all files; the oldest are removed
_HOUR = 3600.0
_ROOM = 2**26  # must be free; a sampler's file has 5 MB


@contextlib.contextmanager
def compiled_code_kept() -> Iterator[None]:
    """Lets TensorFlow keep what it compiles inside, and use what it kept before.

    It reads its flags early: it must not have been imported before the first call. If
    nothing can be kept, a line says why, and everything is compiled anew.
    """
    directory = _in_use.get(os.getpid()) or _prepared()
    try:
        yield
    finally:
        if directory:
            _in_use[os.getpid()] = directory
            _seal(directory)


# Of this process: TensorFlow reads its flags once.
_in_use: dict[int, str] = {}


def _prepared() -> str | None:
    """Names a directory to TensorFlow, and returns it; None if nothing can be kept."""
    parent = os.environ.get(DIRECTORY_VARIABLE)
    if parent is None:
        parent = os.path.join(home_cache_directory(), "compiled")
    flags = os.environ.get(_FLAGS, "").strip()
    # What does not begin with a dash is the name of a file of flags.
    is_users_own = "persistent_cache" in flags or not f"{flags}-".startswith("-")
    if not parent or is_users_own:
        return None
    try:
        name = hashlib.sha256("\n".join(_facts()).encode()).hexdigest()[:16]
        directory = os.path.join(os.path.abspath(parent), name)
        if re.search(r"[\s'\"]", directory):
            raise PermissionError(f"{_FLAGS} takes no spaces or quotes")
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if is_of_others(directory) or others_may_write(directory):
            raise PermissionError("other users may write there")
        _remove_unsealed(directory)
        _remove_oldest(parent)
        _check_room(directory)
    except OSError as error:
        reason = error.strerror or error
        logging.info("What is compiled is not kept in %s: %s.", parent, reason)
        return None
    os.environ[_FLAGS] = (
        f"{flags} --tf_xla_persistent_cache_directory={directory} "
        "--tf_xla_persistent_cache_device_types=CPU"
    ).strip()
    return directory


def _facts() -> list[str]:
    """Returns all that machine code depends on.

    Raises:
      OSError: the CPU or TensorFlow cannot be told.
    """
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:
        raise OSError("TensorFlow's files were not found")
    installed = os.stat(found.origin).st_mtime_ns
    with open("/proc/cpuinfo") as file:
        first_cpu = file.read(2**16).split("\n\n")[0]
    return [
        *(f"{d.name} {d.version}" for d in _distributions()),
        f"{found.origin} {installed}",
        *_CPU_FACTS.findall(first_cpu),
        *(f"{name}={os.environ.get(name, '')}" for name in _VARIABLES),
    ]


def _distributions() -> Iterator[metadata.Distribution]:
    """Yields the packages that TensorFlow may have been installed as."""
    for name in ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield metadata.distribution(name)


def _files(directory: str, pattern: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(directory), pattern))


def _seal_of(path: str) -> str:
    return f"{path}.sha256"


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(directory: str) -> None:
    """Writes the checksums of new files."""
    with contextlib.suppress(OSError):  # Without one a file is made again.
        for path in _files(directory, "*.pb"):
            if not os.path.exists(_seal_of(path)):
                temporary = f"{path}.{os.getpid()}.sum"
                with open(temporary, "w") as file:
                    file.write(_digest(path))
                os.replace(temporary, _seal_of(path))


def _remove_unsealed(directory: str) -> None:
    """Removes what a killed process has left, and what is damaged."""
    for path in _files(directory, "*.pb"):
        try:
            with open(_seal_of(path)) as file:
                seal = file.read(100)
        except FileNotFoundError:
            _remove(path)
            continue
        if seal != _digest(path):
            logging.info("%s is damaged, and is compiled again.", path)
            _remove(path)


def _remove_oldest(parent: str) -> None:
    """Keeps `_MOST_BYTES` of all directories, and nothing unfinished."""
    total = 0
    files = {path: os.stat(path) for path in _files(parent, "*/*")}
    for path in sorted(files, key=lambda path: files[path].st_mtime, reverse=True):
        if path.endswith(".pb"):
            total += files[path].st_size
            if total > _MOST_BYTES:
                _remove(path)
        elif (
            not path.endswith(".sha256") and files[path].st_mtime < time.time() - _HOUR
        ):
            _remove(path)


def _remove(path: str) -> None:
    """Removes a file and its checksum."""
    for name in (_seal_of(path), path):
        with contextlib.suppress(FileNotFoundError):  # Another process may be faster.
            os.remove(name)


def _check_room(directory: str) -> None:
    """Raises OSError if `_ROOM` bytes cannot be written, as under a quota."""
    path = os.path.join(directory, f"{os.getpid()}.room")
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
