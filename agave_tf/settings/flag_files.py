"""Flag files: files with one flag a line, such as the presets of this package.

A wheel contains the presets, so that `--flagfile=small.flags` works everywhere.
agave_tf/flags is a link to flags/ in the checkout.
"""

import os
from collections.abc import Iterable

from agave_tf.errors import InputError, did_you_mean, first_line

_PACKAGED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "flags")
_ENDING = ".flags"
_FLAGFILE = ("--flagfile", "-flagfile")


class FlagLine(str):
    """A flag that was read from a file; an error about it can say where it stands."""

    place: str  # such as "small.flags, line 12"


def find_flag_file(name: str, directory: str = "") -> str:
    """Returns the path of a flag file.

    It is searched in `directory`, in the working directory, and then, for a name such
    as small, small.flags or flags/small.flags, among the files of this package.

    Args:
      name: path of the file, with or without the ending .flags.
      directory: directory of the file that names this one; empty: none.

    Raises:
      InputError: there is no such file.
    """
    path = os.path.expanduser(name)
    places = [os.path.join(directory, path), path]
    if os.path.dirname(path) in ("", "flags"):
        places.append(os.path.join(_PACKAGED, os.path.basename(path)))
    for place in places:
        for file in (place, place + _ENDING):
            if os.path.isfile(file):
                return file
    packaged = packaged_flag_files()
    hint = did_you_mean(
        os.path.basename(path).removesuffix(_ENDING) + _ENDING, packaged
    )
    raise InputError(
        "`flagfile` must be a file, or one of this package's: "
        f"{', '.join(packaged)}; got {name!r}.{hint}"
    )


def packaged_flag_files() -> list[str]:
    """Returns the names of the flag files in this package, such as small.flags."""
    if not os.path.isdir(_PACKAGED):
        return []
    return sorted(name for name in os.listdir(_PACKAGED) if name.endswith(_ENDING))


def read_flag_file(name: str) -> list[str]:
    """Returns the flags of a flag file, with those of the flag files that it names.

    Args:
      name: as for `find_flag_file`.

    Raises:
      InputError: a file does not exist, cannot be read, or names itself.
    """
    return _read(find_flag_file(name), readers=())


def flag_values(lines: Iterable[str]) -> dict[str, str]:
    """Returns the values of flags such as --seed=1, by name; the last one counts."""
    return dict(line.lstrip("-").partition("=")[::2] for line in lines)


def expand_flag_files(arguments: Iterable[str]) -> list[str]:
    """Replaces each --flagfile in command-line arguments by the flags of the file.

    Each flag from a file is a `FlagLine`.

    Raises:
      InputError: as `read_flag_file`, or --flagfile has no value.
    """
    expanded: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            return [*expanded, argument, *remaining]
        if argument in _FLAGFILE:
            expanded += read_flag_file(next(remaining, ""))
        elif _names_a_file(argument):
            expanded += read_flag_file(_named_file(argument))
        else:
            expanded.append(argument)
    return expanded


def _names_a_file(flag: str) -> bool:
    """Returns True for --flagfile=X, also if X is empty."""
    name, equals, _ = flag.partition("=")
    return name in _FLAGFILE and bool(equals)


def _named_file(flag: str) -> str:
    """Returns the X of --flagfile=X."""
    return flag.partition("=")[2].strip()


def _read(path: str, readers: tuple[str, ...]) -> list[str]:
    """Returns the flags of the file at `path`.

    Args:
      path: the file.
      readers: the files that are being read, each of which names the next one.
    """
    shown, path = path, os.path.realpath(path)
    if path in readers:
        raise InputError(f"`flagfile` must not name itself; {path} does.")
    flags = []
    for number, line in enumerate(_lines(path), start=1):
        if _names_a_file(line):
            nested = _nested(_named_file(line), path, f"{shown}, line {number}")
            flags += _read(nested, (*readers, path))
        elif line and not line.startswith(("#", "//")):
            flag = FlagLine(line)
            flag.place = f"{shown}, line {number}"
            flags.append(flag)
    return flags


def _nested(name: str, path: str, place: str) -> str:
    """Returns the path of the flag file that the file at `path` names."""
    try:
        return find_flag_file(name, os.path.dirname(path))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"`flagfile` must be a readable text file; got {path} "
            f"({first_line(error)})."
        ) from error
