"""Curves read from the event files that training writes for TensorBoard."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf


class Point(NamedTuple):
    """A value, as it was at a step of a training."""

    step: int
    value: float
    seconds: float  # since training began, but for those from a stop to the resumption


class Curve(NamedTuple):
    """Values over training steps."""

    steps: list[int]  # increasing
    values: list[float]


def read_curves(directory: str) -> dict[str, list[Point]]:
    """Reads every scalar, at every step at which it was written, by its tag.

    A step that a resumed run repeated counts as it was written last. A record that was
    cut off when a run was killed is passed over.

    Args:
      directory: holds the event files of one run.

    Returns:
      By tag, in the order of steps.
    """
    found: dict[str, dict[int, Point]] = defaultdict(dict)
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
                        point = Point(event.step, number, seconds)
                        found[value.tag][event.step] = point
    return {tag: sorted(points.values()) for tag, points in found.items()}


def _events(path: str) -> Iterator[tf.compat.v1.Event]:
    """The events of a file, up to its end or to a record that is cut off."""
    with contextlib.suppress(tf.errors.DataLossError):
        yield from tf.compat.v1.train.summary_iterator(path)


def _is_scalar(value: tf.compat.v1.Summary.Value) -> bool:
    """Tells a number from texts and pictures, which are tensors too."""
    tensor = value.tensor
    is_float = tensor.dtype == tf.float32.as_datatype_enum
    return is_float and not tensor.tensor_shape.dim
