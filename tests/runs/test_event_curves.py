"""Curves are read from event files as TensorBoard reads them."""

import pytest
import tensorflow as tf

from agave_tf.runs.event_curves import Point, read_curves


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
    (points,) = read_curves(str(directory)).values()
    expected = [(2, 3.0), (4, 2.0), (6, 1.25), (8, 1.0)]
    assert [point[:2] for point in points] == expected


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
    expected = [Point(1, 1.0, 20.0), Point(2, 2.0, 60.0), Point(3, 3.0, 80.0)]
    assert read_curves(str(tmp_path)) == {"loss": expected}


def steps_of(directory):
    return [point.step for point in read_curves(str(directory))["loss"]]


def test_a_record_that_was_cut_off_is_passed_over(directory):
    last = max(directory.glob("*tfevents*"))
    last.write_bytes(last.read_bytes()[:-5])  # The picture, written last.
    whole = directory / "events.out.tfevents.1000.host"
    whole.write_bytes(whole.read_bytes()[:-5])
    assert steps_of(directory) == [2, 4, 6, 8]
    whole.write_bytes(b"")
    assert steps_of(directory) == [6, 8]


def test_they_are_what_tensorboard_reads(directory):
    """TensorBoard's own reader is importable, but not documented."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    events = accumulator.EventAccumulator(str(directory), {"tensors": 0})
    events.Reload()
    values = {e.step: tf.make_ndarray(e.tensor_proto) for e in events.Tensors("loss")}
    (points,) = read_curves(str(directory)).values()
    assert {point.step: point.value for point in points} == values
