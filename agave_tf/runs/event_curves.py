"""Curves read from the event files that training writes for TensorBoard."""

from typing import NamedTuple

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class Curve(NamedTuple):
    """Values over training steps."""

    steps: list[int]  # increasing
    values: list[float]


def read_curves(directory: str) -> dict[str, Curve]:
    """Reads every scalar, at every step at which it was written, by its tag.

    TensorBoard itself reads event files with `EventAccumulator`, which is importable
    but not documented. It joins the files of a resumed run, and passes over a record
    that was cut off when a run was killed.

    Args:
      directory: holds the event files of one run.
    """
    # 0 keeps all events; the default keeps a random choice of ten.
    events = EventAccumulator(directory, size_guidance={"tensors": 0})
    events.Reload()
    curves = {}
    for tag in events.Tags()["tensors"]:
        # A step that a resumed run repeated counts as it was written last. Texts and
        # pictures are tensors too, but no numbers.
        values = {
            event.step: float(tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
            if event.tensor_proto.dtype == tf.float32.as_datatype_enum
            and not event.tensor_proto.tensor_shape.dim
        }
        if values:
            steps = sorted(values)
            curves[tag] = Curve(steps, [values[step] for step in steps])
    return curves
