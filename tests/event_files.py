"""Reads what a run wrote for TensorBoard."""

import pathlib
from collections.abc import Iterator

import tensorflow as tf


def summaries(directory: pathlib.Path) -> Iterator[tuple[int, tf.compat.v1.Summary]]:
    """(step, summary value) in order, from all event files of a directory."""
    for path in sorted(directory.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                yield event.step, value


def scalars(directory: pathlib.Path) -> dict[str, dict[int, float]]:
    """Tag -> step -> value."""
    curves = {}
    for step, value in summaries(directory):
        if value.metadata.plugin_data.plugin_name == "scalars" or value.tag in curves:
            curve = curves.setdefault(value.tag, {})
            curve[step] = float(tf.make_ndarray(value.tensor))
    return curves
