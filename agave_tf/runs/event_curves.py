"""Curves read from the event files that training writes for TensorBoard."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf


class Curve(NamedTuple):
    """Values over training steps."""

    steps: list[int]  # increasing
    values: list[float]


class _Point(NamedTuple):
    value: float
    seconds: float  # since training began


def read_curves(directory: str) -> dict[str, Curve]:
    """Reads every scalar, at every step at which it was written, by its tag.

    A step that a resumed run repeated counts as it was written last. A record that was
    cut off when a run was killed is passed over.

    Args:
      directory: holds the event files of one run.
    """
    return {
        tag: Curve([*points], [point.value for point in points.values()])
        for tag, points in _read(directory).items()
    }


def read_seconds(directory: str) -> dict[str, list[float]]:
    """Reads when the values of `read_curves` were written, by their tag.

    In seconds since training began, without those between a stop and the resumption.

    Args:
      directory: as for `read_curves`.
    """
    return {
        tag: [point.seconds for point in points.values()]
        for tag, points in _read(directory).items()
    }


def _read(directory: str) -> dict[str, dict[int, _Point]]:
    """The points of every tag by their step, in the order of steps."""
    found: dict[str, dict[int, _Point]] = defaultdict(dict)
    seconds = 0.0
    # One for each process; their names begin with the time at which they were begun.
    for name in sorted(os.listdir(directory)):
        if "tfevents" in name:
            last_time = None
            for event in _events(os.path.join(directory, name)):
                seconds += event.wall_time - (last_time or event.wall_time)
                last_time = event.wall_time
                for value in event.summary.value:
                    if _is_scalar(value):
                        number = float(tf.make_ndarray(value.tensor))
                        found[value.tag][event.step] = _Point(number, seconds)
    return {tag: dict(sorted(points.items())) for tag, points in found.items()}


def _events(path: str) -> Iterator[tf.compat.v1.Event]:
    """The events of a file, up to its end or to a record that is cut off."""
    with contextlib.suppress(tf.errors.DataLossError):
        yield from tf.compat.v1.train.summary_iterator(path)


def _is_scalar(value: tf.compat.v1.Summary.Value) -> bool:
    """Tells a number from texts and pictures, which are tensors too."""
    tensor = value.tensor
    is_float = tensor.dtype == tf.float32.as_datatype_enum
    return is_float and not tensor.tensor_shape.dim
