"""Reads JSON that another person may have made: every value is checked when it is read.

step = read_json("run/progress.json")["step"].whole_number()
# run/progress.json: `step` must be a whole number from 0 to ...; got 'hello'.
"""

import dataclasses
import json
import math
from collections.abc import Iterable
from typing import Any

from agave_tf.errors import InputError, cut, first_line, quoted
from agave_tf.plain_file import open_plain

# Our longest file has two scores for each of some hundred levels: 40 kB.
_MOST_BYTES = 2**20
# Longer than any path, and than any step, count or checksum.
MOST_CHARACTERS = 4096
MOST_NUMBER = 2**53  # Above it JSON's numbers are no longer exact everywhere.
_MOST_IN_NAME = 100


class _Nothing:
    """Stands for a field that is missing, in messages: "got nothing"."""

    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


@dataclasses.dataclass(frozen=True)
class JsonValue:
    """A value of a JSON file, which a method must check before it is used.

    The methods raise InputError, with the file, the field and the value, if the value
    is missing or of another kind.

    value: the value that `json` gives, unchecked.
    file: the file, for messages.
    name: the field's, such as "data.num_train"; empty: the whole content.
    """

    value: Any
    file: str
    name: str = ""

    def wrong(self, requirement: str) -> InputError:
        """The error for a value that does not meet what it "must": "be positive"."""
        place = f"{self.file}: `{self.name}`" if self.name else self.file
        return InputError(f"{place} must {requirement}; got {quoted(self.value)}.")

    def __getitem__(self, name: str) -> "JsonValue":
        """The field of that name; reading a missing one is an error."""
        return self._inner(self._object().get(name, _NOTHING), name)

    def get(self, name: str) -> "JsonValue | None":
        """The field of that name; None if it is missing or null."""
        found = self[name]
        return None if found.value in (None, _NOTHING) else found

    def get_or(self, name: str, default: Any) -> "JsonValue":
        """The field of that name; with the value `default` if it is missing or null."""
        return self.get(name) or self._inner(default, name)

    def fields(self) -> dict[str, "JsonValue"]:
        """The fields of an object, by name."""
        return {name: self._inner(x, name) for name, x in self._object().items()}

    def _object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.wrong("be an object, {...}")
        for name in self.value:
            # A name stands in messages as it is.
            if len(name) > _MOST_IN_NAME or not name.isprintable():
                raise self.wrong(
                    f"have names of at most {_MOST_IN_NAME} printable characters"
                )
        return self.value

    def elements(self) -> list["JsonValue"]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("be a list, [...]")
        return [
            JsonValue(value, self.file, f"{self.name}[{i}]")
            for i, value in enumerate(self.value)
        ]

    def whole_number(self, least: int = 0, most: int = MOST_NUMBER) -> int:
        """An integer from `least` to `most`; 3.0 and true are none."""
        is_whole = isinstance(self.value, int) and not isinstance(self.value, bool)
        if not is_whole or not least <= self.value <= most:
            raise self.wrong(f"be a whole number from {least} to {most}")
        return self.value

    def number(self, is_finite: bool = True) -> int | float:
        """A number, which may be NaN or infinite if `is_finite` is false."""
        is_number = isinstance(self.value, int | float)
        if not is_number or isinstance(self.value, bool):
            raise self.wrong("be a number")
        # Not `math.isfinite`, which fails for an integer that no float can hold.
        if is_finite and not abs(self.value) < math.inf:
            raise self.wrong("be a finite number")
        return self.value

    def text(self, most: int = MOST_CHARACTERS) -> str:
        """A text of at most `most` characters, none of them NUL, as no path has it."""
        is_text = isinstance(self.value, str) and len(self.value) <= most
        if not is_text or "\0" in self.value:
            raise self.wrong(f"be text of at most {most} characters")
        return self.value

    def one_of(self, choices: Iterable[str]) -> str:
        """One of some texts."""
        choices = tuple(choices)
        if not isinstance(self.value, str) or self.value not in choices:
            raise self.wrong(f"be one of {', '.join(choices)}")
        return self.value

    def simple(self) -> bool | int | float | str | None:
        """A value of a setting: null, true, false, a number or a text."""
        if not isinstance(self.value, bool | int | float | str | None):
            raise self.wrong("be null, true, false, a number or a text")
        if isinstance(self.value, bool | None):
            return self.value
        return self.text() if isinstance(self.value, str) else self.number()

    def _inner(self, value: Any, name: str) -> "JsonValue":
        name = f"{self.name}.{name}" if self.name else name
        return JsonValue(value, self.file, name)


def read_json(path: str) -> JsonValue:
    """Reads a JSON file.

    Raises:
      InputError: it is no plain file, longer than 1 MiB, not JSON in UTF-8, or has a
        name twice in one object.
      FileNotFoundError: there is no such file.
    """
    with open_plain(path) as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} must have at most {_MOST_BYTES} bytes; it has more.")
    return parse_json(data, path)


def parse_json(text: str | bytes, file: str) -> JsonValue:
    """Reads JSON.

    Args:
      text: the JSON; bytes are in UTF-8.
      file: the name that messages have for it.

    Raises:
      InputError: it is not JSON, or has a name twice in one object.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")  # Some editors begin with a mark of UTF-8.
        return JsonValue(json.loads(text, object_pairs_hook=_without_twins), file)
    except (ValueError, RecursionError) as error:
        reason = cut(first_line(error))
        raise InputError(f"{file} must be JSON in UTF-8; it is not ({reason}).") from (
            error
        )


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the name {quoted(name)} stands twice in one object")
        names.add(name)
    return dict(pairs)
