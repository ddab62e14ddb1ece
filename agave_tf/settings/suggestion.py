"""The end of an error about a word that is not among the choices."""

import difflib
from collections.abc import Iterable
from typing import Any


def did_you_mean(word: Any, choices: Iterable[Any]) -> str:
    """Returns " Did you mean X?" for the choice nearest to a word; empty if none is.

    Capitals do not count, and - is as good as _.
    """
    by_plain_name = {_plain(choice): str(choice) for choice in choices}
    near = difflib.get_close_matches(_plain(word), by_plain_name, n=1)
    return f" Did you mean {by_plain_name[near[0]]}?" if near else ""


def _plain(word: Any) -> str:
    return str(word)[:100].lower().replace("-", "_")
