"""Paths of checkpoints that TensorFlow's reader would take for patterns.

It takes PREFIX.index for a pattern: in place of the directory `exp [lr=0.1]` it looks
into `exp l`, `exp r` and so on. It finds nothing, and brackets cannot be escaped. Its
writer takes the path as it is.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

from agave_tf.errors import InputError

# Parts of a path that, as patterns, do not match themselves, as `*` and `?` do.
_PATTERN = re.compile(r"\[.+\]|\\", re.DOTALL)


def is_pattern(path: str) -> bool:
    """Returns whether a reader of TensorFlow takes a path for a pattern of others."""
    # "gs://..." and the like are TensorFlow's own.
    return "://" not in path and bool(_PATTERN.search(path))


def is_utf8(path: str) -> bool:
    """Returns whether TensorFlow can take the path at all: it needs UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def readable_prefix(prefix: str) -> Iterator[str]:
    """Gives a prefix by which TensorFlow can read the checkpoint `prefix`.

    It is `prefix` itself, or within this context one of symbolic links to its files.

    Raises:
      InputError: links are needed, and the directory for temporary files has such a
        path too.
    """
    if is_utf8(prefix) and not is_pattern(prefix):
        yield prefix
        return
    if is_pattern(tempfile.gettempdir()) or not is_utf8(tempfile.gettempdir()):
        raise InputError(
            "`TMPDIR` must name a directory whose path has no brackets and no "
            f"backslash, to read {prefix}; got {tempfile.gettempdir()}."
        )
    directory, base = os.path.split(os.path.abspath(prefix))
    with tempfile.TemporaryDirectory() as links:
        for name in os.listdir(directory):
            if name == base or name.startswith(f"{base}."):
                link = os.path.join(links, f"linked{name.removeprefix(base)}")
                os.symlink(os.path.join(directory, name), link)
        yield os.path.join(links, "linked")
