"""Paths of pictures to read, checked before the work."""

import os
from collections.abc import Iterable

from agave_tf.errors import InputError


def check_picture_paths(paths: Iterable[str]) -> None:
    """Raises InputError for a path that is neither a file nor a directory."""
    for path in paths:
        if not os.path.exists(path):
            raise InputError(
                f"`files` must be pictures or folders; there is no {path!r}."
            )
