"""Flags that are paths or lists of paths, and checks of the files to write."""

import os

from absl import flags

from agave_tf.errors import InputError
from agave_tf.settings.user_path import expand_path, refuse_both
from agave_tf.whole_file import check_can_write

# Pieces of a list, separated by commas, that may be of one name.
_MOST_PIECES = 16


class _PathParser(flags.ArgumentParser[str]):
    """Parses a path, in which ~ and ~user are expanded."""

    syntactic_help = "a path"

    def __init__(self, name: str):
        self._name = name

    def parse(self, argument: str) -> str:
        refuse_both(argument, self._name)
        return expand_path(argument, self._name)

    def flag_type(self) -> str:
        return "string"


def define_path(
    name: str,
    default: str | None,
    help_text: str,
    values: flags.FlagValues,
    *,
    required: bool = False,
) -> None:
    """Defines a flag that is a path, in which ~ and ~user are expanded."""
    flags.DEFINE(_PathParser(name), name, default, help_text, values, required=required)


def define_run_dir(help_text: str, values: flags.FlagValues) -> None:
    """Defines --run_dir, which must be given."""
    define_path("run_dir", None, help_text, values, required=True)


class _PathsParser(flags.ListParser):
    """Parses paths, separated by commas; in double quotes a comma is part of a path."""

    def __init__(self, name: str):
        super().__init__()
        self._name = name

    def parse(self, argument: str | list[str]) -> list[str]:
        if isinstance(argument, list) or not argument:
            return argument or []
        if '"' in argument and not self._exists(argument):
            return [self._expand(path) for path in super().parse(argument)]
        pieces, paths = argument.split(","), []
        while pieces:
            count = self._count_of_first(pieces)
            paths.append(self._expand(",".join(pieces[:count]).strip()))
            pieces = pieces[count:]
        return paths

    def _count_of_first(self, pieces: list[str]) -> int:
        """Returns the number of pieces of the first path, the longest that exists."""
        for count in range(min(len(pieces), _MOST_PIECES), 1, -1):
            if self._exists(",".join(pieces[:count])):
                if all(map(self._exists, pieces[:count])):
                    self._refuse_both(pieces[:count])
                return count
        return 1

    def _exists(self, path: str) -> bool:
        return bool(path.strip()) and os.path.lexists(self._expand(path.strip()))

    def _expand(self, path: str) -> str:
        return expand_path(path, self._name)

    def _refuse_both(self, pieces: list[str]) -> None:
        joined = ",".join(pieces)
        raise InputError(
            f"`{self._name}` must say whether {joined!r} is one file or {len(pieces)}, "
            f"because all exist; '\"{joined}\"' is one, and ./ before each makes them "
            "several."
        )


def define_paths(name: str, help_text: str, values: flags.FlagValues) -> None:
    """Defines a flag that is a list of paths, empty by default.

    Args:
      name: the name of the flag.
      help_text: its help.
      values: the flags to which it is added.
    """
    serializer: flags.CsvListSerializer = flags.CsvListSerializer(",")
    flags.DEFINE(_PathsParser(name), name, [], help_text, values, serializer)


def check_output_file(flag: str, path: str, suffix: str) -> None:
    """Checks a path before the work whose result is written there.

    Args:
      flag: name of the flag that gives the path.
      path: the path of the file.
      suffix: the required ending, such as ".png".

    Raises:
      InputError: the path has another ending, is a directory, or lies in a directory
        that does not exist or cannot be written to.
    """
    if not path.endswith(suffix):
        raise InputError(f"`{flag}` must end in {suffix}; got {path!r}.")
    directory = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.path.isdir(directory):
        raise InputError(
            f"`{flag}` must be a file in a directory that exists; got {path!r}."
        )
    check_can_write(flag, directory)


def check_optional_file(flag: str, path: str, suffix: str) -> None:
    """Checks a path as `check_output_file` does; empty if no file is wanted."""
    if path:
        check_output_file(flag, path, suffix)
