"""Lists the picture files of a folder, and groups them by directory."""

import dataclasses
import os
import stat
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from agave_tf.data.hints import file_state
from agave_tf.data.source import DATASET, Notes, Origin
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
}
_SHOWN_SUFFIXES = 5
_MISSING = ""  # the state of a file that a link promises and that is not there


@dataclasses.dataclass
class PictureFiles:
    """N files below the directory of a part, a list for each of their facts.

    An object for each file would be slow: Python's garbage collector visits it again
    and again, and takes seconds if there are 200,000.

    paths: of the files.
    names: the paths below the part's directory, with "/" on every system.
    states: the numbers of `file_state`; "": there is no such file.
    settled: `is_settled` of `file_state`.
    """

    paths: list[str] = dataclasses.field(default_factory=list)
    names: list[str] = dataclasses.field(default_factory=list)
    states: list[str] = dataclasses.field(default_factory=list)
    settled: list[bool] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def add(
        self, path: str, name: str, status: os.stat_result | None, now_ns: int
    ) -> None:
        """Adds a file.

        Args:
          path: of the file.
          name: below the part's directory.
          status: None: there is no such file.
          now_ns: the time before `status` was looked up.
        """
        state = file_state(status, now_ns) if status else (_MISSING, False)
        self.paths.append(path)
        self.names.append(name)
        self.states.append(state[0])
        self.settled.append(state[1])

    def take(self, index: Sequence[int]) -> "PictureFiles":
        """The files at these places, in their order."""
        return PictureFiles(
            [self.paths[i] for i in index],
            [self.names[i] for i in index],
            [self.states[i] for i in index],
            [self.settled[i] for i in index],
        )

    def in_order(self) -> "PictureFiles":
        """The files in the order of their names, and of their paths."""
        order = sorted(range(len(self)), key=self.paths.__getitem__)
        order.sort(key=self.names.__getitem__)
        return self.take(order)

    def sizes(self) -> list[int]:
        """The bytes of each file; -1: there is no such file."""
        return [int(state.partition(" ")[0] or -1) for state in self.states]


class _Directory(NamedTuple):
    path: str
    prefix: str  # of the names in it
    identities: frozenset[tuple[int, int]]  # its own and those of all above it
    is_hidden: bool


def list_pictures(
    root: str, config: DataConfig, notes: Notes, origin: Origin = DATASET
) -> PictureFiles:
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
    files, now_ns = PictureFiles(), time.time_ns()
    other_suffixes: Counter[str] = Counter()
    waiting = [_Directory(root, "", frozenset([_identity(root)]), False)]
    while waiting:
        directory = waiting.pop()
        for entry in _entries(directory, config, notes, origin):
            entry_name, is_hidden = _read_name(entry.name)
            is_hidden |= directory.is_hidden
            suffix = os.path.splitext(entry_name)[1].lower()
            if _is_directory(entry):
                waiting += _entered(entry, directory, entry_name, is_hidden, notes)
            elif suffix in _SUFFIXES and _is_file(status := file_status(entry)):
                if is_hidden:
                    notes.add("hidden files left out")
                else:
                    if entry_name != entry.name:
                        notes.add("file names with \\, which separates directories")
                    name = directory.prefix + entry_name
                    files.add(entry.path, name, status, now_ns)
            elif not is_hidden:
                other_suffixes[suffix or "no suffix"] += 1
    _note_other_kinds(other_suffixes, notes)
    return files.in_order()


def by_first_directory(files: PictureFiles) -> dict[str, PictureFiles]:
    """Groups files by the first directory of their names.

    The names in a group are below that directory. The group "" has the files whose
    names have no directory.
    """
    places = defaultdict(list)
    for place, name in enumerate(files.names):
        places[name.partition("/")[0] if "/" in name else ""].append(place)
    groups = {first: files.take(index) for first, index in places.items()}
    for first, group in groups.items():
        if first:
            group.names = [name.partition("/")[2] for name in group.names]
    return groups


def _read_name(stored: str) -> tuple[str, bool]:
    """The name of an entry, with "/", and whether any of its parts is hidden."""
    if "\\" not in stored:
        return stored, _is_hidden(stored)
    names = [name for name in stored.split("\\") if name]
    return "/".join(names), any(map(_is_hidden, names))


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
    """Identifies a directory: two paths that lead to it have the same identity."""
    status = os.stat(directory)
    return status.st_dev, status.st_ino


def file_status(file: os.DirEntry | str) -> os.stat_result | None:
    """The status of the file; None if a link leads nowhere."""
    try:
        return os.stat(file) if isinstance(file, str) else file.stat()
    except OSError:
        return None


def _is_file(status: os.stat_result | None) -> bool:
    """Tells whether this is a regular file or a missing one, not a pipe or device."""
    return status is None or stat.S_ISREG(status.st_mode)
