"""The training loop: stages, replicas, resuming, averages, and the paper's claim."""

import gc

import numpy as np
import pytest
import tensorflow as tf
from golden_file import load
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.framework.ops import gradient_registry
from tiny import (
    KL_ROUNDING_BITS,
    tiny_config,
    tiny_images,
    tiny_model,
    tiny_trainer,
    two_replicas,
)

from agave_tf.errors import InputError, NonFiniteError
from agave_tf.models.objective import AGAVETerms
from agave_tf.runs.open_run import open_run
from agave_tf.runs.same_run import check_same_run
from agave_tf.runs.stages import STAGES
from agave_tf.training.moving_average import MovingAverage
from agave_tf.weights.in_use import weights_of as weights_of_network


def weights_of(trainer):
    return trainer.state.weights()


def assert_same_weights(a, b, **tolerance):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], err_msg=name, **tolerance)


def test_objective_is_equation_7_and_reports_are_equation_6():
    terms = AGAVETerms(*(tf.constant([float(v)]) for v in (-10, -7, 3, 4)), None)
    model = tiny_model()
    np.testing.assert_allclose(model.objective(terms, 1.0, 12.0), [-10 - 7 - 12 * 4])
    np.testing.assert_allclose(model.objective(terms, 0.0, 1.0), [-10 - 4])
    np.testing.assert_allclose(model.bound(terms), [-10 - 3])


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path):
    settings = {"dropout_rate": 0.5, "kl_min": 0.1, "evaluate_images": 0}
    settings["num_pixel_cnn_resolutions"] = 1
    whole = tiny_trainer(tmp_path / "whole", joint_steps=5, **settings)
    whole.train()
    tiny_trainer(tmp_path / "parts", joint_steps=3, **settings).train()
    resumed = tiny_trainer(tmp_path / "parts", joint_steps=5, **settings)
    assert resumed.step == 3
    resumed.train()
    assert_same_weights(weights_of(resumed), weights_of(whole), rtol=0, atol=0)
    a, b = (open_run(str(tmp_path / name)) for name in ("whole", "parts"))
    assert a.step == b.step == a.num_steps == 5
    assert_same_weights(a.read_weights(), b.read_weights(), rtol=0, atol=0)


def test_two_replicas_train_as_one(tmp_path):
    settings = {
        "joint_steps": 6,
        "warmup_steps": 0,
        "dropout_rate": 0.5,
        "kl_min": 0.5,
        "kl_weight": 2.0,
        "evaluate_images": 0,
    }
    one = tiny_trainer(tmp_path / "one", **settings)
    start = weights_of(one)
    one.train()
    strategy = two_replicas()
    with strategy.scope():
        two = tiny_trainer(tmp_path / "two", **settings)
        assert_same_weights(weights_of(two), start, rtol=0, atol=1e-6)
        two.train()
    moved = max(np.abs(weights_of(one)[k] - start[k]).max() for k in start)
    assert moved > 5e-3
    # Adamax divides by the gradient's size: rounding shows where that is near zero.
    assert_same_weights(weights_of(two), weights_of(one), rtol=0, atol=2e-4)
    assert_same_weights(
        open_run(str(tmp_path / "two")).read_weights(),
        open_run(str(tmp_path / "one")).read_weights(),
        rtol=0,
        atol=2e-4,
    )


def test_joint_training_starts_where_pretraining_ended(tmp_path):
    images = tiny_images()
    scores = {}
    for stage in ("pretrain_vae", "pretrain_pixel_cnn"):
        trainer = tiny_trainer(tmp_path / stage, stage, images, **{f"{stage}_steps": 3})
        trainer.train()
        scores |= {score.name: score.mean for score in trainer.evaluate()}
    joint = tiny_trainer(
        tmp_path / "joint",
        "joint",
        images,
        {
            "init_vae_from": str(tmp_path / "pretrain_vae"),
            "init_pixel_cnn_from": str(tmp_path / "pretrain_pixel_cnn"),
        },
    )
    started = {score.name: score.mean for score in joint.evaluate()}
    for name in ("primary_reconstruction", "auxiliary_reconstruction", "kl"):
        np.testing.assert_allclose(
            started[name], scores[name], rtol=1e-5, atol=KL_ROUNDING_BITS
        )


def test_sources_must_have_the_same_network(tmp_path):
    tiny_trainer(tmp_path / "vae", "pretrain_vae", pretrain_vae_steps=1).train()
    source = {"init_vae_from": str(tmp_path / "vae")}
    with pytest.raises(InputError, match="`z_channels` must be 2.*got 4"):
        tiny_trainer(tmp_path / "joint", sources=source, z_channels=4)
    with pytest.raises(InputError, match="`init_from`.*of stage pretrain_vae"):
        tiny_trainer(tmp_path / "joint", sources={"init_from": source["init_vae_from"]})
    with pytest.raises(InputError, match="images of 1 channels"):
        tiny_trainer(tmp_path / "joint", "joint", tiny_images(channels=1), source)
    assert not (tmp_path / "joint").exists()


def test_a_run_directory_goes_on_only_with_its_own_settings(tmp_path):
    tiny_trainer(tmp_path / "run").run.write_config()
    path, stage = str(tmp_path / "run"), STAGES["joint"]
    assert check_same_run(path, stage, tiny_config(joint_steps=77)) is not None
    with pytest.raises(InputError, match="`num_filters` must be 4.*got 5"):
        check_same_run(path, stage, tiny_config(num_filters=5))
    with pytest.raises(InputError, match="`stage` must be joint.*got ablation"):
        check_same_run(path, STAGES["ablation"], tiny_config())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="config.json"):
        check_same_run(str(tmp_path / "other"), stage, tiny_config())


def test_a_stage_goes_on_whatever_settings_it_does_not_use(tmp_path):
    """pretrain_vae refused another kl_weight, which it does not use."""
    for stage, unused, used in (
        ("pretrain_vae", {"kl_weight": 9.0, "num_filters": 5}, {"z_channels": 4}),
        ("pretrain_pixel_cnn", {"z_channels": 4, "kl_min": 1.0}, {"num_filters": 5}),
        ("ablation", {"auxiliary_weight": 3.0}, {"z_channels": 4}),
        ("joint", {}, {"kl_weight": 9.0}),
    ):
        path = tmp_path / stage
        tiny_trainer(path, stage).run.write_config()
        assert check_same_run(str(path), STAGES[stage], tiny_config(**unused))
        with pytest.raises(InputError, match="to go on with the run"):
            check_same_run(str(path), STAGES[stage], tiny_config(**used))


def spoil(trainer):
    """Makes every term of the VAE, and with it the loss, not a number."""
    weights = trainer.state.weights()
    weights["vae/log_scale"] = np.full(3, np.nan, np.float32)
    trainer.state.vector.assign(trainer.state.layout.vector(weights))


def vae_trainer(path, steps, **settings):
    settings = {"pretrain_vae_steps": steps, "evaluate_images": 0, **settings}
    return tiny_trainer(path, "pretrain_vae", **settings)


def test_updates_that_are_not_finite_are_skipped_and_end_training_when_too_many(
    tmp_path,
):
    trainer = tiny_trainer(
        tmp_path / "run",
        "pretrain_vae",
        pretrain_vae_steps=9,
        max_skipped=4,
        evaluate_images=0,
    )
    start = weights_of(trainer)
    spoil(trainer)
    with pytest.raises(NonFiniteError, match="4 updates in a row up to step 4"):
        trainer.train()
    assert int(trainer.state.skipped) == 4
    assert int(trainer.state.optimizer.iterations) == 0
    now = weights_of(trainer)
    del start["vae/log_scale"], now["vae/log_scale"]
    assert_same_weights(now, start, rtol=0, atol=0)
    # What is stored is from before the trouble: the checkpoint that step 0 wrote.
    stored = open_run(str(tmp_path / "run"))
    assert np.isfinite(stored.read_weights()["vae/log_scale"]).all()


def test_too_many_skipped_updates_end_training_within_a_call_of_many_steps(tmp_path):
    """They were counted between calls: 12 steps went on, a good one hid the series."""
    trainer = vae_trainer(tmp_path / "run", 12, steps_per_call=12, max_skipped=2)
    spoil(trainer)
    with pytest.raises(NonFiniteError, match="2 updates in a row up to step 2"):
        trainer.train()
    assert trainer.step == 2


def test_a_gradient_that_explodes_is_skipped_and_counted(tmp_path):
    trainer = tiny_trainer(
        tmp_path / "run", "pretrain_vae", pretrain_vae_steps=4, evaluate_images=0
    )
    # As if gradients had been a thousandth as long until now.
    trainer.state.optimizer.iterations.assign(1)
    trainer.state.mean_log_norm.assign(-100.0)
    start = weights_of(trainer)
    trainer.train()
    assert int(trainer.state.skipped) == 4
    assert_same_weights(weights_of(trainer), start, rtol=0, atol=0)
    resumed = tiny_trainer(
        tmp_path / "run", "pretrain_vae", pretrain_vae_steps=6, evaluate_images=0
    )
    assert int(resumed.state.skipped) == 4


def test_a_checkpoint_does_not_take_what_an_evaluation_computes_with(tmp_path):
    trainer = tiny_trainer(
        tmp_path / "run", "pretrain_vae", pretrain_vae_steps=2, evaluate_images=0
    )
    trainer.train()
    trained = weights_of(trainer)
    # As when a signal comes during an evaluation with other weights.
    average = trainer.state.average.average.numpy()
    trainer.state.average.average.assign(average + 1)
    with trainer.state.using_averages():
        trainer.state.average.average.assign(average)
        trainer.state.step.assign_add(1)
        trainer.save()
    resumed = tiny_trainer(
        tmp_path / "run", "pretrain_vae", pretrain_vae_steps=4, evaluate_images=0
    )
    assert_same_weights(weights_of(resumed), trained, rtol=0, atol=0)


def test_several_steps_a_call_are_the_same_steps(tmp_path):
    one = vae_trainer(tmp_path / "one", 5)
    one.train()
    many = vae_trainer(tmp_path / "many", 5, steps_per_call=4)
    many.train()
    assert_same_weights(weights_of(many), weights_of(one), rtol=0, atol=0)


def test_moving_average_without_warm_up_is_the_originals():
    golden = load("ema_a")
    for decay in (0.9995, 0.999, 0.9):
        variable = tf.Variable(golden[f"init:{decay}"])
        average = MovingAverage(variable, decay, warm_up=False)
        for step, value in enumerate(golden[f"seq:{decay}"]):
            variable.assign(value)
            average.update(tf.constant(step + 1))
        np.testing.assert_allclose(
            average.average, golden[f"shadow:{decay}"][-1], rtol=1e-5
        )


def test_moving_average_warms_up():
    variable = tf.Variable(0.0)
    average = MovingAverage(variable, 0.9995)
    variable.assign(1.0)
    for step in range(1, 51):
        average.update(tf.constant(step))
    # With a fixed decay it would be at 1 - .9995**50 = .025.
    assert float(average.average) > 0.99


def test_without_averaging_the_averages_are_the_weights_bit_for_bit(tmp_path):
    """average + 1 * (weights - average) differs from the weights by rounding."""
    trainer = vae_trainer(tmp_path / "run", 3, average_decay=0.0)
    trainer.train()
    weights = weights_of(trainer)
    assert_same_weights(trainer.state.averaged_weights(), weights, rtol=0, atol=0)


def test_evaluation_computes_with_the_averages_and_changes_no_weight(tmp_path):
    trainer = tiny_trainer(tmp_path / "run")
    before = weights_of(trainer)
    at_first = {score.name: score.mean for score in trainer.evaluate()}
    average, network = trainer.state.average.average, trainer.state.network
    average.assign(average + 1)
    with trainer.state.using_averages():
        named = zip(trainer.state.layout.names, weights_of_network(network))
        raised = {name: value.numpy() - 1 for name, value in named}
        assert_same_weights(raised, before, rtol=0, atol=1e-5)
    assert trainer.evaluate()[0].mean != at_first["bits_per_dim"]
    assert_same_weights(weights_of(trainer), before, rtol=0, atol=0)
    average.assign(average - 1)
    again = {score.name: score.mean for score in trainer.evaluate()}
    np.testing.assert_allclose(
        again["kl"], at_first["kl"], rtol=1e-4, atol=KL_ROUNDING_BITS
    )


def test_without_the_auxiliary_loss_the_kl_collapses_and_with_it_it_does_not(tmp_path):
    images = tiny_images(64, channels=1)
    settings = {
        "num_filters": 8,
        "num_layers_per_resolution": 1,
        "learning_rate": 0.01,
        "batch_size": 16,
        "dropout_rate": 0.0,
        "warmup_steps": 10,
        "joint_steps": 150,
        "summary_every": 150,
        "checkpoint_every": 150,
    }
    joint = tiny_trainer(tmp_path / "joint", "joint", images, **settings)
    joint.train()
    source = {"init_from": str(tmp_path / "joint")}
    start = next(s.mean for s in joint.evaluate() if s.name == "kl")
    kls = {}
    for stage in ("joint", "ablation"):
        trainer = tiny_trainer(
            tmp_path / f"{stage}_2",
            stage,
            images,
            source,
            **{**settings, "ablation_steps": 150},
        )
        trainer.train()
        kls[stage] = next(s.mean for s in trainer.evaluate() if s.name == "kl")
    print("kl bits/dim", start, kls)
    assert start > 0.05
    assert kls["joint"] > 0.8 * start
    assert kls["ablation"] < 0.3 * start


def test_training_leaves_no_graph_behind(tmp_path):
    """Every stage kept the graph of its step, a gigabyte for the paper's model."""
    before = set(gradient_registry.list())
    graphs_before = {id(g) for g in gc.get_objects() if isinstance(g, FuncGraph)}
    # The graphs of an evaluation stay, for all models of the architecture.
    tiny_trainer(tmp_path, joint_steps=1, evaluate_images=0).train()
    gc.collect()
    graphs = [g for g in gc.get_objects() if isinstance(g, FuncGraph)]
    new = [g for g in graphs if id(g) not in graphs_before]
    assert "train_steps" not in {g.name for g in new}
    largest = max((len(g.get_operations()) for g in new), default=0)
    assert largest < 1_000  # That of the step has more than 10,000.
    assert len(set(gradient_registry.list()) - before) < 20
