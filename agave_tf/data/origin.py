"""Where images came from: the flag or argument that errors about them name."""

from typing import Any, NamedTuple


class Origin(NamedTuple):
    """The flag or argument that images came with.

    Its name stands in backticks in errors. Their advice names a setting only if that
    can be given beside it.
    """

    name: str
    prefix: str | None  # of a setting that goes with it; None: no setting does

    def advice(self, setting: str, value: Any, effect: str) -> str:
        """Returns " --setting=value effect."; empty if the setting cannot be given."""
        if self.prefix is None:
            return ""
        shown = value if self.prefix else repr(value)
        return f" {self.prefix}{setting}={shown} {effect}."

    def by_setting(self, setting: str) -> str:
        """Returns " (--setting)"; empty if the setting cannot be given."""
        return "" if self.prefix is None else f" ({self.prefix}{setting})"


DATASET = Origin("dataset", "--")
# Files that bin/compress.py codes as they are.
FILES = Origin("files", None)
# Images of a Python program, whose settings are arguments.
PROGRAM = Origin("train", "")
