"""Reads checkpoints of openai/pixel-cnn and openai/iaf.

The weights are the averages, with which the originals evaluate.
"""

import dataclasses
import os
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from agave_tf.errors import InputError, first_line
from agave_tf.interop.openai_path import (
    LIST,
    REQUIRED,
    directory_of_list,
    has_index,
    named_prefix,
)
from agave_tf.runs.checkpoint_paths import readable_prefix

_AVERAGE = "/ExponentialMovingAverage"
_STEP = "model/global_step"
# Variables of a checkpoint that are not the network's: the optimizer's and counters.
_SLOT = re.compile(r"model/model/.*|.*/Adamax(_1)?|.*/Adam(_1)?")


@dataclasses.dataclass(frozen=True)
class OpenAICheckpoint:
    """The weights in a checkpoint of an original."""

    prefix: str  # of its files
    weights: Mapping[str, np.ndarray]  # by the original's names of the variables
    step: int  # training steps behind them; 0 where the checkpoint does not say

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """The shape of a variable, from which the network is inferred.

        Raises:
          InputError: the variable is missing, or of another rank.
        """
        if name not in self.weights:
            raise InputError(
                f"`checkpoint` must have the variable `{name}`; {self.prefix} lacks "
                "it. Is --kind right?"
            )
        shape = self.weights[name].shape
        if len(shape) != rank:
            raise InputError(f"`{name}` must have {rank} axes; got shape {shape}.")
        return shape

    def count(self, pattern: str) -> int:
        """Counts the variables whose whole name matches a regular expression."""
        return sum(1 for name in self.weights if re.fullmatch(pattern, name))


def read_openai_checkpoint(path: str) -> OpenAICheckpoint:
    """Reads the averaged weights, or the weights if there are no averages.

    Args:
      path: a name of the checkpoint, as `find_prefix` takes it.

    Raises:
      InputError: the checkpoint is missing or damaged, or lacks the averages of some
        weights.
    """
    prefix = find_prefix(path)
    tensors = _read_tensors(prefix)
    step = int(tensors.pop(_STEP, 0))
    averages = {
        name.removesuffix(_AVERAGE): value
        for name, value in tensors.items()
        if name.endswith(_AVERAGE)
    }
    plain = {name: v for name, v in tensors.items() if not name.endswith(_AVERAGE)}
    if averages and (without := sorted(set(plain) - set(averages))):
        raise InputError(
            "`checkpoint` must have the average of every variable, or of none; "
            f"{prefix} lacks `{without[0]}{_AVERAGE}`."
        )
    return OpenAICheckpoint(prefix, averages or plain, step)


def _read_tensors(prefix: str) -> dict[str, np.ndarray]:
    """Reads the network's variables and averages, and the step."""
    with readable_prefix(prefix) as readable:
        try:
            reader = tf.train.load_checkpoint(readable)
            return {
                name: reader.get_tensor(name)
                for name in reader.get_variable_to_shape_map()
                if name.startswith("model/") and not _SLOT.fullmatch(name)
            }
        except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
            reason = first_line(error).replace(readable, prefix)
            raise InputError(f"{REQUIRED}; {prefix} cannot be read ({reason}).") from (
                error
            )


def find_prefix(path: str) -> str:
    """Returns the common beginning of the names of a checkpoint's files.

    Args:
      path: the prefix, one of the files, a directory with the file `checkpoint` that
        TensorFlow writes, or this file; for these two, the newest checkpoint it names.
        A path like gs://... is returned as it is.

    Raises:
      InputError: there is no such checkpoint.
    """
    directory = directory_of_list(path)
    return named_prefix(path) if directory is None else _newest_in(directory)


def _newest_in(directory: str) -> str:
    """The prefix of the newest checkpoint that a directory's list names."""
    newest = _name_in_list(directory)
    # A directory may have been moved since its list was written, on any system.
    base = re.split(r"[/\\]", newest)[-1]
    for prefix in (newest, os.path.join(directory, base)):
        if has_index(prefix) or os.path.isfile(prefix):
            return prefix
    raise InputError(
        f"{REQUIRED}; that of {directory or '.'} names {newest}, which is not there."
        f"{_others(directory)}"
    )


def _name_in_list(directory: str) -> str:
    """The newest checkpoint that the list names; its path is as written there."""
    path = os.path.join(directory, LIST)
    if not os.path.isfile(path):
        raise InputError(f"{REQUIRED}; there is no {path}.{_others(directory)}")
    try:
        state = tf.train.get_checkpoint_state(directory or ".")
        newest = state.model_checkpoint_path if state else ""
    except ValueError:  # It is not text.
        newest = ""
    if not newest:
        raise InputError(f"{REQUIRED}; {path} names none.{_others(directory)}")
    return newest


def _others(directory: str) -> str:
    """A sentence that lists the checkpoints of a directory; empty if it has none."""
    names = sorted(os.listdir(directory or "."))
    prefixes = [
        name.removesuffix(".index") for name in names if name.endswith(".index")
    ]
    return f" It has {', '.join(prefixes)}." if prefixes else ""
