"""A run that fails goes on with other settings, and says from which step on."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from event_files import scalars
from short_runs import STAGE, train
from tiny import tiny_config, tiny_images, tiny_trainer

from agave_tf.errors import InputError, NonFiniteError
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_record import Change
from agave_tf.runs.same_run import changed_midway, check_same_run
from agave_tf.runs.stages import STAGES
from agave_tf.training.open_trainer import open_trainer
from agave_tf.weights.named_weights import named_weights


def weights(run):
    return run.read_weights()


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_run_goes_on_with_a_smaller_learning_rate_and_records_it(tmp_path, caplog):
    """It was refused, though the message of an exploded run advises it."""
    caplog.set_level("INFO", logger="absl")
    train(tmp_path / "run", 4, learning_rate=0.01)
    run = train(tmp_path / "run", 8, learning_rate=0.001, explosion_factor=30.0)
    expected = (
        Change("learning_rate", 0.01, 0.001, 4),
        Change("explosion_factor", 100.0, 30.0, 4),
    )
    assert run.changes == open_run(run.path).changes == expected
    content = json.loads((tmp_path / "run" / "config.json").read_text())
    assert content["changes"][0] == {
        "setting": "learning_rate",
        "before": 0.01,
        "after": 0.001,
        "step": 4,
    }
    assert content["settings"]["train"]["learning_rate"] == 0.001
    assert "learning_rate 0.01 -> 0.001 from step 4" in caplog.text
    shown = scalars(tmp_path / "run" / "summaries" / "train")
    rates = [shown["training/learning_rate"][step] for step in (4, 8)]
    # Within the warm-up of 100 steps, after 4 and after 8 updates.
    np.testing.assert_allclose(rates, [0.01 * 4.96 / 100, 0.001 * 8.92 / 100], 1e-5)
    files = (tmp_path / "run" / "summaries").rglob("*events*")
    texts = b"".join(path.read_bytes() for path in files)
    assert b"learning_rate 0.01 -> 0.001 from step 4" in texts
    # Gone on with once more, it is the same run and has no new change.
    again = train(tmp_path / "run", 10, learning_rate=0.001, explosion_factor=30.0)
    assert again.changes == expected and again.step == 10


@pytest.mark.parametrize("warmup", [(0, 0), (4, 4), (0, 4), (4, 0), (100, 8)])
def test_the_new_learning_rate_counts_from_the_step_of_the_change(tmp_path, warmup):
    """A constant rate is in the checkpoint, and would otherwise be the old one."""
    before, after = warmup
    first = tiny_trainer(tmp_path, STAGE, learning_rate=0.01, warmup_steps=before)
    state = first.state
    for variable in (state.step, state.optimizer.iterations):
        variable.assign(4)
    for i, slot in enumerate((state.optimizer.momentum, state.optimizer.norm)):
        slot.assign(tf.range(slot.shape[0], dtype=tf.float32) + i)
    first.save()
    old, new = first.run.config, tiny_config(learning_rate=0.001, warmup_steps=after)
    changed = dataclasses.replace(
        first.run, config=new, changes=changed_midway(first.run.stage, old, new)
    )
    second = open_trainer(changed, tiny_images(), tiny_images())
    assert second.step == 4
    for name in ("iterations", "momentum", "norm"):
        found = getattr(second.state.optimizer, name)
        np.testing.assert_array_equal(found, getattr(state.optimizer, name))
    # From rate / steps to the rate, in a straight line (Keras's PolynomialDecay).
    share = min(4 / after, 1) if after else 1
    start = 0.001 / after if after else 0.001
    expected = start + share * (0.001 - start)
    np.testing.assert_allclose(second.state.learning_rate(), expected, rtol=1e-5)


def test_a_finished_run_takes_no_change(tmp_path):
    run = train(tmp_path / "run", 2)
    with pytest.raises(InputError, match=r"`learning_rate` must be 0.002 .*finished"):
        train(run.path, 2, learning_rate=0.001)
    with pytest.raises(InputError, match="`batch_size` must be 4"):
        train(run.path, 4, batch_size=8)
    assert open_run(run.path).changes == ()


def test_a_run_that_exploded_goes_on_and_counts_its_skipped_updates_anew(tmp_path):
    run = train(tmp_path / "run", 2)
    config = dataclasses.replace(
        open_run(run.path).config,
        train=dataclasses.replace(run.config.train, pretrain_pixel_cnn_steps=8),
    )

    def trainer(config):
        existing = check_same_run(run.path, STAGES[STAGE], config)
        changes = existing.changes + changed_midway(
            STAGES[STAGE], existing.config, config
        )
        resumed = RunDirectory(
            run.path, STAGES[STAGE], config, (8, 8, 3), changes=changes
        )
        return open_trainer(resumed, tiny_images(), tiny_images())

    stuck = trainer(config)
    stuck.state.skipped_in_a_row.assign(config.train.max_skipped - 1)
    stuck.state.vector.assign(stuck.state.vector * np.nan)
    stuck.checkpoints.save(3)
    with pytest.raises(NonFiniteError, match="A smaller --learning_rate"):
        stuck.train()
    assert trainer(config).state.skipped_in_a_row.numpy() > 0
    smaller = dataclasses.replace(config.train, learning_rate=1e-4)
    recovered = trainer(dataclasses.replace(config, train=smaller))
    assert recovered.state.skipped_in_a_row.numpy() == 0
    assert recovered.run.changes == (Change("learning_rate", 0.002, 1e-4, 2),)


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "joint", 0, stage="joint")


@pytest.mark.parametrize(
    "stage,part", [("pretrain_vae", "vae"), ("pretrain_pixel_cnn", "pixel_cnn")]
)
@pytest.mark.parametrize("flag", ["init_from", "init_{}_from"])
def test_pretraining_starts_from_any_run_with_its_part(
    tmp_path, joint, stage, part, flag, caplog
):
    """Such as an imported one, or one on other images; it took none."""
    flag = flag.format(part)
    first = train(tmp_path / "first", 0, {flag: joint.path}, stage=stage)
    theirs = {
        name: value
        for name, value in weights(joint).items()
        if name.startswith(part) and "condition" not in name.split("/")
    }
    assert_equal(weights(first), theirs)
    assert first.sources[flag].weights == joint.fingerprint()
    left_out = "without its condition on f(z)" in caplog.text
    assert left_out == (part == "pixel_cnn")
    second = train(tmp_path / "second", 0, {flag: first.path}, stage=stage)
    assert_equal(weights(second), theirs)
    assert set(named_weights(second.load_model())) == set(theirs)


def test_a_source_without_the_part_is_refused(tmp_path, joint):
    vae = train(tmp_path / "vae", 0, {"init_from": joint.path}, stage="pretrain_vae")
    with pytest.raises(InputError, match="`init_from`.*of stage pretrain_vae"):
        train(tmp_path / "run", 1, {"init_from": vae.path})
    with pytest.raises(InputError, match="`num_filters` must be 4"):
        train(tmp_path / "run", 1, {"init_from": joint.path}, num_filters=6)
    assert not (tmp_path / "run").exists()
