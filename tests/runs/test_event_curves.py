"""Curves are read from event files as TensorBoard reads them."""

import pytest
import tensorflow as tf

from agave_tf.runs.event_curves import Curve, read_curves, read_seconds


def write(directory, values, suffix):
    """One event file of (step, value); its name says when, and then the suffix."""
    writer = tf.summary.create_file_writer(str(directory), filename_suffix=suffix)
    with writer.as_default():
        for step, value in values:
            tf.summary.scalar("loss", value, step=step)
        tf.summary.text("words", "none of them a number", step=1)
        tf.summary.image("picture", tf.zeros([1, 2, 2, 3]), step=1)
    writer.close()


@pytest.fixture
def directory(tmp_path):
    """A run that was stopped after step 6, and went on from its checkpoint of 4."""
    write(tmp_path, [(2, 3.0), (4, 2.0), (6, 1.5)], ".v2")
    first = next(tmp_path.iterdir())
    first.rename(tmp_path / "events.out.tfevents.1000.host")
    write(tmp_path, [(6, 1.25), (8, 1.0)], ".v2")
    (tmp_path / "notes.txt").write_text("no event file")
    return tmp_path


def test_a_resumed_run_has_one_curve_and_its_last_value_of_each_step(directory):
    expected = {"loss": Curve([2, 4, 6, 8], [3.0, 2.0, 1.25, 1.0])}
    assert read_curves(str(directory)) == expected


def test_the_time_between_a_stop_and_the_resumption_does_not_count(tmp_path):
    """Of 1,000 s between both processes."""
    for began, steps in ((100, (1, 2)), (1140, (2, 3))):
        events = [tf.compat.v1.Event(wall_time=began, file_version="brain.Event:2")]
        for place, step in enumerate(steps, start=1):
            event = tf.compat.v1.Event(wall_time=began + 20 * place, step=step)
            event.summary.value.add(tag="loss", tensor=tf.make_tensor_proto(1.0 * step))
            events.append(event)
        with tf.io.TFRecordWriter(f"{tmp_path}/events.out.tfevents.{began}.h") as file:
            for event in events:
                file.write(event.SerializeToString())
    assert read_curves(str(tmp_path)) == {"loss": Curve([1, 2, 3], [1.0, 2.0, 3.0])}
    assert read_seconds(str(tmp_path)) == {"loss": [20.0, 60.0, 80.0]}


def test_a_record_that_was_cut_off_is_passed_over(directory):
    last = max(directory.glob("*tfevents*"))
    last.write_bytes(last.read_bytes()[:-5])  # The picture, written last.
    whole = directory / "events.out.tfevents.1000.host"
    whole.write_bytes(whole.read_bytes()[:-5])
    assert read_curves(str(directory))["loss"].steps == [2, 4, 6, 8]
    whole.write_bytes(b"")
    assert read_curves(str(directory))["loss"].steps == [6, 8]


def test_they_are_what_tensorboard_reads(directory):
    """TensorBoard's own reader is importable, but not documented."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    events = accumulator.EventAccumulator(str(directory), {"tensors": 0})
    events.Reload()
    values = {e.step: tf.make_ndarray(e.tensor_proto) for e in events.Tensors("loss")}
    (curve,) = read_curves(str(directory)).values()
    assert dict(zip(*curve)) == values
