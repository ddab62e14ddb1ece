"""The learning rate of every step: warm-up, constant, cool-down."""

import numpy as np
import pytest
import tensorflow as tf
from event_files import scalars
from test_recovery import STAGE, assert_equal, train, weights

from agave_tf.errors import InputError
from agave_tf.runs.changes import Change
from agave_tf.settings.config import TrainConfig
from agave_tf.training.learning_rate import learning_rate


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


def test_the_number_of_steps_belongs_to_a_run_with_a_cool_down(tmp_path):
    train(tmp_path / "run", 8, cooldown_steps=4)
    with pytest.raises(InputError, match=f"`{STAGE}_steps` must be 8 .*finished"):
        train(tmp_path / "run", 6, cooldown_steps=4)
    with pytest.raises(InputError, match="`cooldown_steps` must be 4 .*finished"):
        train(tmp_path / "run", 8, cooldown_steps=0)
    run = train(tmp_path / "run", 10, cooldown_steps=4)
    assert run.changes == (Change(f"{STAGE}_steps", 8, 10, 8),)


def test_a_constant_rate_can_get_a_cool_down_and_lose_it_again(tmp_path):
    """A constant rate has a place in the checkpoint, a schedule has none."""
    train(tmp_path / "run", 2, warmup_steps=0)
    train(tmp_path / "run", 4, warmup_steps=0, cooldown_steps=3)
    run = train(tmp_path / "run", 6, warmup_steps=0)
    assert run.step == 6
    assert [change.setting for change in run.changes] == [
        "cooldown_steps",
        f"{STAGE}_steps",
        "cooldown_steps",
        f"{STAGE}_steps",
    ]
