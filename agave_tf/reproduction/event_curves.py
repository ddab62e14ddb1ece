"""Curves read from the event files that training writes for TensorBoard."""

from typing import NamedTuple

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class Curve(NamedTuple):
    """Values over training steps."""

    steps: list[int]  # increasing
    values: list[float]


def read_curve(directory: str, tag: str) -> Curve:
    """Reads a scalar at every step at which it was written.

    TensorBoard itself reads event files with `EventAccumulator`, which is importable
    but not documented. It joins the files of a resumed run, and passes over a record
    that was cut off when a run was killed.

    Args:
      directory: holds the event files of one run.
      tag: the name of the scalar.

    Raises:
      KeyError: there is no scalar of this name.
    """
    # 0 keeps all events; the default keeps a random choice of ten.
    events = EventAccumulator(directory, size_guidance={"tensors": 0})
    events.Reload()
    # A step that a resumed run repeated counts as it was written last.
    curve = {
        event.step: float(tf.make_ndarray(event.tensor_proto))
        for event in events.Tensors(tag)
    }
    steps = sorted(curve)
    return Curve(steps, [curve[step] for step in steps])
