"""A flag of several paths, separated by commas, which may have commas themselves."""

import os

from absl import flags

from agave_tf.errors import InputError
from agave_tf.settings.user_path import expand_path

# Pieces of the list that may be of one name.
_MOST_PIECES = 16


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
        """The number of pieces that make the first path, the longest that exists."""
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
      name: of the flag.
      help_text: its help.
      values: where it is defined.
    """
    serializer: flags.CsvListSerializer = flags.CsvListSerializer(",")
    flags.DEFINE(_PathsParser(name), name, [], help_text, values, serializer)
