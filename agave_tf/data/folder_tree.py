"""Lists the picture files of a folder, and finds the parts they belong to."""

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from agave_tf.data.origin import DATASET, Origin
from agave_tf.data.source import Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
}
_SHOWN_SUFFIXES = 5
_MISSING = -1  # the size of a file that a link promises and that is not there


class PictureFile(NamedTuple):
    """A file below the directory of a part."""

    path: str
    name: str  # the path below the part's directory, with "/" on every system
    size: int  # bytes; -1: there is none


class _Directory(NamedTuple):
    path: str
    prefix: str  # of the names in it
    identities: frozenset[tuple[int, int]]  # its own and those of all above it
    is_hidden: bool


def list_pictures(
    root: str, config: DataConfig, notes: Notes, origin: Origin = DATASET
) -> list[PictureFile]:
    """Lists all picture files below `root` in the order of their names.

    Links are followed, except to a directory that contains the link. Files that are
    hidden or in hidden directories, and files of other kinds, are left out. Backslashes
    in a name, as of an archive that was made elsewhere, separate directories.

    Args:
      root: a directory.
      config: its `corrupt_images` tells what to do with unreadable directories.
      notes: what is left out is counted there.
      origin: of the folder, for errors.

    Raises:
      InputError: a directory is unreadable and not to be left out.
    """
    files: list[PictureFile] = []
    other_suffixes: Counter[str] = Counter()
    waiting = [_Directory(root, "", frozenset([_identity(root)]), False)]
    while waiting:
        directory = waiting.pop()
        for entry in _entries(directory, config, notes, origin):
            names = [name for name in entry.name.split("\\") if name]
            entry_name = "/".join(names)
            is_hidden = directory.is_hidden or any(map(_is_hidden, names))
            suffix = os.path.splitext(entry_name)[1].lower()
            if _is_directory(entry):
                waiting += _entered(entry, directory, entry_name, is_hidden, notes)
            elif suffix in _SUFFIXES and (size := _size(entry)) is not None:
                if is_hidden:
                    notes.add("hidden files left out")
                else:
                    if entry_name != entry.name:
                        notes.add("file names with \\, which separates directories")
                    name = directory.prefix + entry_name
                    files.append(PictureFile(entry.path, name, size))
            elif not is_hidden:
                other_suffixes[suffix or "no suffix"] += 1
    _note_other_kinds(other_suffixes, notes)
    return sorted(files, key=lambda file: (file.name, file.path))


def list_pictures_of_version_0_1(root: str) -> list[PictureFile]:
    """Lists the files that runs of version 0.1 used, in their order: also hidden ones.

    Links to directories are not followed.
    """
    paths = sorted(
        os.path.join(directory, name)
        for directory, _, names in os.walk(root)
        for name in names
        if name.lower().endswith((".png", ".jpg", ".jpeg"))
    )
    names = [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]
    sizes = [
        os.path.getsize(path) if os.path.exists(path) else _MISSING for path in paths
    ]
    return [PictureFile(*facts) for facts in zip(paths, names, sizes)]


def by_first_directory(files: Iterable[PictureFile]) -> dict[str, list[PictureFile]]:
    """Groups files by the directory of their root they lie in, to which names then
    refer; "" has the files that lie in none.
    """
    groups = defaultdict(list)
    for file in files:
        first, slash, rest = file.name.partition("/")
        groups[first if slash else ""].append(
            file._replace(name=rest if slash else first)
        )
    return dict(groups)


def _entries(
    directory: _Directory, config: DataConfig, notes: Notes, origin: Origin
) -> list[os.DirEntry]:
    try:
        with os.scandir(directory.path) as entries:
            return list(entries)
    except OSError as error:
        if config.corrupt_images == "skip" or directory.is_hidden:
            notes.add("unreadable directories left out")
            return []
        advice = origin.advice("corrupt_images", "skip", "leaves such directories out")
        raise InputError(
            f"`{origin.name}` must be a folder whose directories can be read; "
            f"{directory.path} cannot: {error.strerror}.{advice}"
        ) from error


def _entered(
    entry: os.DirEntry, above: _Directory, name: str, is_hidden: bool, notes: Notes
) -> list[_Directory]:
    """The directory, or nothing where a link leads back to one that is above it."""
    identity = _identity(entry.path)
    if identity in above.identities:
        notes.add("links to a folder around them, not followed")
        return []
    prefix = f"{above.prefix}{name}/"
    return [_Directory(entry.path, prefix, above.identities | {identity}, is_hidden)]


def _note_other_kinds(suffixes: Counter[str], notes: Notes) -> None:
    if suffixes:
        shown = sorted(suffixes, key=lambda suffix: (-suffixes[suffix], suffix))
        if len(shown) > _SHOWN_SUFFIXES:
            shown[_SHOWN_SUFFIXES:] = ["..."]
        notes.add(
            f"files of other kinds left out ({', '.join(shown)})", suffixes.total()
        )


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_directory(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(directory: str) -> tuple[int, int]:
    """The same for two paths exactly if they lead to one directory."""
    status = os.stat(directory)
    return status.st_dev, status.st_ino


def _size(entry: os.DirEntry) -> int | None:
    """Bytes of the file; -1 if a link leads nowhere; None for pipes and devices."""
    try:
        status = entry.stat()
    except OSError:
        return _MISSING
    return status.st_size if stat.S_ISREG(status.st_mode) else None
