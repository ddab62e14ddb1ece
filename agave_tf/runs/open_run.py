"""Opens a run: reads settings, weights and step of its directory, all of one save."""

import dataclasses
import functools
import os

import numpy as np

from agave_tf.checked_json import parse_json, read_json
from agave_tf.checked_npz import npz_comment
from agave_tf.models.image_model import ImageModel
from agave_tf.models.weight_forms import check_weights
from agave_tf.runs.run_directory import (
    PROGRESS_FILE,
    WEIGHTS_FILE,
    RunDirectory,
)
from agave_tf.runs.run_path import CONFIG_FILE, run_path
from agave_tf.runs.run_record import read_run_record
from agave_tf.weights.named_weights import read_weights


def open_run(path: str, weights: bool = True) -> RunDirectory:
    """Opens the run at `path`.

    Training may save other weights meanwhile: settings, weights and step are of one
    save all the same, and do not change afterwards.

    Args:
      path: its directory.
      weights: reads the weights too; False: settings and step are enough.

    Raises:
      InputError: no directory, not a run directory, or one with a file that is damaged
        or of a later version.
    """
    path = run_path(path)
    while True:
        before = _file_states(path)
        run = RunDirectory(path, *read_run_record(os.path.join(path, CONFIG_FILE)))
        has_weights = weights and os.path.exists(run.file(WEIGHTS_FILE))
        arrays = _read_weights(run) if has_weights else {}
        run = dataclasses.replace(run, step=_read_step(path), weights=arrays)
        if _file_states(path) == before:
            return run


def load_run(path: str) -> ImageModel:
    """Loads the model of the run at `path`, with its averaged weights.

    Raises:
      InputError: there is no run, or it has no weights yet.
    """
    return open_run(path).load_model()


def _file_states(path: str) -> list[tuple[int, int, int] | None]:
    """Identifies the files of one save; another save gives another list."""
    states: list[tuple[int, int, int] | None] = []
    for name in (CONFIG_FILE, WEIGHTS_FILE, PROGRESS_FILE):
        try:
            found = os.stat(os.path.join(path, name))
        except FileNotFoundError:
            states.append(None)
        else:
            states.append((found.st_ino, found.st_mtime_ns, found.st_size))
    return states


def _read_weights(run: RunDirectory) -> dict[str, np.ndarray]:
    """Reads the averaged weights, and checks that they fit the run's model."""
    path = run.file(WEIGHTS_FILE)
    check = functools.partial(check_weights, network=run.network, source=path)
    return read_weights(path, check)


def _read_step(path: str) -> int:
    """Optimizer steps behind the weights; 0 before the first.

    The file of weights names them in its comment; that of version 0.2 does not, and
    progress.json does.

    Raises:
      InputError: the file that names them has no such number.
    """
    weights = os.path.join(path, WEIGHTS_FILE)
    try:
        if about := npz_comment(weights):
            content = parse_json(about, f"{weights}, comment")
        else:
            content = read_json(os.path.join(path, PROGRESS_FILE))
    except FileNotFoundError:
        return 0
    return content["step"].whole_number()
