"""The learning rate of every step: warm-up, constant, cool-down."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from event_files import scalars
from short_runs import SETTINGS, STAGE, train
from test_recovery import assert_equal, weights
from tiny import tiny_config, tiny_images, tiny_trainer

from agave_tf.errors import InputError
from agave_tf.runs.run_record import Change
from agave_tf.runs.same_run import changed_midway, check_same_run
from agave_tf.settings.config import TrainConfig
from agave_tf.training.learning_rate import learning_rate
from agave_tf.training.open_trainer import open_trainer


def rates(num_steps, **settings):
    rate = learning_rate(TrainConfig(learning_rate=0.01, **settings), num_steps)
    if isinstance(rate, float):
        return np.full(num_steps, rate)
    return np.array([rate(tf.constant(i)) for i in range(num_steps)])


@pytest.mark.parametrize("warmup", [0, 1, 4])
@pytest.mark.parametrize("num_steps", [12, 100])
def test_the_cool_down_is_a_straight_line_to_the_end_of_the_stage(warmup, num_steps):
    expected = rates(num_steps, warmup_steps=warmup, cooldown_steps=0)
    expected[-5:] = 0.01 * np.arange(5, 0, -1) / 5
    found = rates(num_steps, warmup_steps=warmup, cooldown_steps=5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_cool_down_longer_than_the_stage_begins_on_the_way_down():
    found = rates(4, warmup_steps=0, cooldown_steps=8)
    np.testing.assert_allclose(found, [0.005, 0.00375, 0.0025, 0.00125], rtol=1e-6)


def test_a_run_may_be_given_its_cool_down_on_the_way(tmp_path):
    """Until then both runs have the same rate, so they end with the same weights."""
    settings = {"learning_rate": 0.01, "warmup_steps": 2}
    whole = train(tmp_path / "whole", 8, cooldown_steps=4, **settings)
    train(tmp_path / "run", 4, **settings)
    run = train(tmp_path / "run", 8, cooldown_steps=4, **settings)
    assert_equal(weights(run), weights(whole))
    steps = Change(f"{STAGE}_steps", 4, 8, 4)
    assert run.changes == (Change("cooldown_steps", 0, 4, 4), steps)
    shown = scalars(tmp_path / "run" / "summaries" / "train")["training/learning_rate"]
    # The curve shows the rate of the update that comes next.
    np.testing.assert_allclose([shown[s] for s in (3, 5, 7)], [0.01, 0.0075, 0.0025])
    assert shown[8] == 0


def test_skipped_updates_do_not_keep_the_rate_up(tmp_path):
    """In version 0.2 the schedule counted updates.

    With 12 of them skipped, a cool-down of 20 steps ended at 0.6 of the rate.
    """
    settings = {"warmup_steps": 0, "cooldown_steps": 20, "learning_rate": 0.01}
    trainer = tiny_trainer(tmp_path, STAGE, pretrain_pixel_cnn_steps=40, **settings)
    state = trainer.state
    state.step.assign(30)
    state.optimizer.iterations.assign(18)
    np.testing.assert_allclose(state.learning_rate(), 0.005, rtol=1e-6)
    state.step.assign(40)
    assert state.learning_rate() == 0
    before = state.vector.numpy()
    state.update(tf.ones_like(before))
    np.testing.assert_array_equal(state.vector.numpy(), before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 2 steps with a cool-down."""
    return train(tmp_path_factory.mktemp("run") / "run", 2, cooldown_steps=1)


@pytest.mark.parametrize(
    ("steps", "cooldown", "said"),
    [(1, 1, f"`{STAGE}_steps` must be 2 .*finished"), (2, 0, "must be 1 .*finished")],
)
def test_the_number_of_steps_belongs_to_a_run_with_a_cool_down(
    finished, steps, cooldown, said
):
    with pytest.raises(InputError, match=said):
        train(finished.path, steps, cooldown_steps=cooldown)
    stage, old = finished.stage, finished.config
    longer = tiny_config(**SETTINGS, pretrain_pixel_cnn_steps=4, cooldown_steps=1)
    assert check_same_run(finished.path, stage, longer) is not None
    changes = changed_midway(stage, old, longer)
    assert changes == (Change(f"{STAGE}_steps", 2, 4, None),)


@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 0)])
def test_a_constant_rate_can_get_a_cool_down_and_lose_it(tmp_path, before, after):
    """A constant rate has a place in the checkpoint, a schedule has none."""
    settings = {"warmup_steps": 0, "pretrain_pixel_cnn_steps": 8}
    first = tiny_trainer(tmp_path, STAGE, cooldown_steps=before, **settings)
    first.state.step.assign(6)
    first.save()
    old, new = first.run.config, tiny_config(cooldown_steps=after, **settings)
    changes = changed_midway(first.run.stage, old, new)
    changed = dataclasses.replace(first.run, config=new, changes=changes)
    second = open_trainer(changed, tiny_images(), tiny_images())
    expected = 0.002 * (2 / 3 if after else 1)
    np.testing.assert_allclose(second.state.learning_rate(), expected, rtol=1e-6)
