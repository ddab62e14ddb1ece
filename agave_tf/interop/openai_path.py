"""The path of a checkpoint to import, checked before it is read."""

import os
import re

from agave_tf.errors import InputError

REQUIRED = (
    "`checkpoint` must be the prefix of a TensorFlow checkpoint, one of its files "
    "PREFIX.index, PREFIX.data-... and PREFIX.meta, or a directory whose file "
    "`checkpoint` names one"
)
# The end of a file's name, or the dot to which a shell completes the prefix.
_ENDING = re.compile(r"\.(index|meta|data-\d+-of-\d+|)$")
# The file in which TensorFlow lists the checkpoints of a directory.
LIST = "checkpoint"


def directory_of_list(path: str) -> str | None:
    """Returns the directory whose list names the checkpoint; None: `path` names it."""
    if "://" in path or has_index(path):
        return None
    if os.path.isdir(path):
        return path
    if os.path.basename(path) == LIST and os.path.isfile(path):
        return os.path.dirname(path)
    return None


def named_prefix(path: str) -> str:
    """Returns the common beginning of the names of a checkpoint's files.

    Args:
      path: the prefix, or one of the files.

    Raises:
      InputError: there is no such checkpoint.
    """
    if "://" in path or has_index(path):
        return path
    prefix = _ENDING.sub("", path)
    if prefix != path and (has_index(prefix) or os.path.isfile(prefix)):
        return prefix
    if os.path.isfile(path):
        if prefix != path:
            raise InputError(f"{REQUIRED}; beside {path} there is no {prefix}.index.")
        return path  # The whole checkpoint, of an old version.
    if re.search(r"[*?]", os.path.basename(path)):
        return path  # A pattern for the parts of an old one, which TensorFlow knows.
    raise InputError(f"{REQUIRED}; there is no {prefix}.index.")


def has_index(prefix: str) -> bool:
    """Returns whether there is a checkpoint with an index, as TensorFlow writes now."""
    return os.path.isfile(f"{prefix}.index")
