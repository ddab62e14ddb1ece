"""Finds the prefix of a TensorFlow checkpoint from the names that people give."""

import os
import re

import tensorflow as tf

from agave_tf.errors import InputError

REQUIRED = (
    "`checkpoint` must be the prefix of a TensorFlow checkpoint, one of its files "
    "PREFIX.index, PREFIX.data-... and PREFIX.meta, or a directory whose file "
    "`checkpoint` names one"
)
# The end of a file's name, or the dot to which a shell completes the prefix.
_ENDING = re.compile(r"\.(index|meta|data-\d+-of-\d+|)$")
_LIST = "checkpoint"


def find_prefix(path: str) -> str:
    """Returns the common beginning of the names of a checkpoint's files.

    Args:
      path: the prefix, one of the files, a directory with the file `checkpoint` that
        TensorFlow writes, or this file; for these two, the newest checkpoint it names.
        A path like gs://... is returned as it is.

    Raises:
      InputError: there is no such checkpoint.
    """
    if "://" in path or _exists(path):
        return path
    if os.path.isdir(path):
        return _newest_in(path)
    if os.path.basename(path) == _LIST and os.path.isfile(path):
        return _newest_in(os.path.dirname(path))
    prefix = _ENDING.sub("", path)
    if prefix != path and (_exists(prefix) or os.path.isfile(prefix)):
        return prefix
    if os.path.isfile(path):
        if prefix != path:
            raise InputError(f"{REQUIRED}; beside {path} there is no {prefix}.index.")
        return path  # The whole checkpoint, of an old version.
    if re.search(r"[*?]", os.path.basename(path)):
        return path  # A pattern for the parts of an old one, which TensorFlow knows.
    raise InputError(f"{REQUIRED}; there is no {prefix}.index.")


def _exists(prefix: str) -> bool:
    """Returns whether there is a checkpoint of the present kind."""
    return os.path.isfile(f"{prefix}.index")


def _newest_in(directory: str) -> str:
    """The prefix of the newest checkpoint that a directory's list names."""
    newest = _name_in_list(directory)
    # A directory may have been moved since its list was written, on any system.
    base = re.split(r"[/\\]", newest)[-1]
    for prefix in (newest, os.path.join(directory, base)):
        if _exists(prefix) or os.path.isfile(prefix):
            return prefix
    raise InputError(
        f"{REQUIRED}; that of {directory or '.'} names {newest}, which is not there."
        f"{_others(directory)}"
    )


def _name_in_list(directory: str) -> str:
    """The newest checkpoint, as the list names it, from the working directory."""
    path = os.path.join(directory, _LIST)
    if not os.path.isfile(path):
        raise InputError(f"{REQUIRED}; there is no {path}.{_others(directory)}")
    try:
        state = tf.train.get_checkpoint_state(directory or ".")
    except ValueError:  # It is not text.
        state = None
    if state is None or not state.model_checkpoint_path:
        raise InputError(f"{REQUIRED}; {path} names none.{_others(directory)}")
    return state.model_checkpoint_path


def _others(directory: str) -> str:
    """Tells which checkpoints a directory has, to choose one by its prefix."""
    names = sorted(os.listdir(directory or "."))
    prefixes = [
        name.removesuffix(".index") for name in names if name.endswith(".index")
    ]
    return f" It has {', '.join(prefixes)}." if prefixes else ""
