"""The path of a run directory, checked before the run is read or made."""

import os

from agave_tf.errors import InputError
from agave_tf.runs.run_lock import LOCK_FILES
from agave_tf.settings.stages import STAGE_SOURCES
from agave_tf.settings.user_path import expand_path

CONFIG_FILE = "config.json"


def run_path(path: str) -> str:
    """Returns the path of a run directory, in which ~ and ~user are expanded.

    Raises:
      InputError: there is no directory, or it has no config.json.
    """
    path = expand_path(path, "run_dir")
    if not os.path.isdir(path):
        raise InputError(
            f"`run_dir` must be a run directory; there is no directory {path}."
        )
    if not os.path.exists(os.path.join(path, CONFIG_FILE)):
        directories = [os.path.join(path, stage) for stage in STAGE_SOURCES]
        stages = [name for name in directories if os.path.isdir(name)]
        hint = f" Did you mean {stages[-1]}?" if stages else ""
        raise InputError(
            f"`run_dir` must be a run directory, with a {CONFIG_FILE}; {path} has none."
            f"{hint}"
        )
    return path


def is_begun(path: str) -> bool:
    """Returns whether there is a run at `path`, and not a place for a new one.

    A new one can be made where nothing is, or a directory without files.

    Raises:
      InputError: there is something else.
    """
    if os.path.isfile(path):
        raise InputError(f"`run_dir` must be a directory; {path} is a file.")
    if not os.path.isdir(path) or not set(os.listdir(path)) - LOCK_FILES:
        return False
    return bool(run_path(path))
