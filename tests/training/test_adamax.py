"""Adamax: the paper's algorithm, and every bit of Keras's."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_trainer, two_replicas

from agave_tf.training.adamax import Adamax

NUM_UPDATES = 60


def gradients():
    """Float32 [T,N]: large and small ones, zeros, and some that are always zero."""
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-12, 4, (NUM_UPDATES, 400))
    gradient = rng.standard_normal(scale.shape) * scale
    gradient[rng.random(scale.shape) < 0.1] = 0
    gradient[:, :20] = 0
    return gradient.astype(np.float32)


def rates():
    """A rate for every update, as of a warm-up and a cool-down."""
    return np.minimum(np.arange(1, NUM_UPDATES + 1), 20).astype(np.float32) * 1e-4


def first_weights():
    return np.random.default_rng(1).standard_normal(400).astype(np.float32)


def of_adamax(strategy=None):
    """Weights, m and u after each update."""
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        weights = tf.Variable(first_weights())
        adamax = Adamax(weights, 0.002)

    @tf.function
    def update(gradient, rate):
        adamax.update(gradient, rate)

    found = []
    for gradient, rate in zip(gradients(), rates()):
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            update(tf.constant(gradient), tf.constant(rate))
        found.append([v.numpy() for v in (weights, adamax.momentum, adamax.norm)])
    assert adamax.iterations.numpy() == NUM_UPDATES
    return np.array(found)


@pytest.fixture(scope="module")
def of_one_device():
    return of_adamax()


def test_every_bit_is_that_of_keras(of_one_device):
    weights = keras.Variable(first_weights(), dtype="float32")
    optimizer = keras.optimizers.Adamax(0.002)
    for (found, m, u), gradient, rate in zip(of_one_device, gradients(), rates()):
        optimizer.learning_rate = rate
        optimizer.apply([tf.constant(gradient)], [weights])
        np.testing.assert_array_equal(found, weights.numpy())
        slots = {v.name.rpartition("_")[2]: v.numpy() for v in optimizer.variables}
        np.testing.assert_array_equal(m, slots["momentum"])
        np.testing.assert_array_equal(u, slots["norm"])


def test_it_is_algorithm_2_of_the_paper(of_one_device):
    theta = first_weights().astype(np.float64)
    m = u = np.zeros_like(theta)
    for t, (g, alpha) in enumerate(zip(gradients(), rates()), 1):
        g = g.astype(np.float64)
        m = 0.9 * m + 0.1 * g
        u = np.maximum(0.999 * u, np.abs(g))
        # Ours: 1e-7 keeps 0 / 0 away.
        theta = theta - alpha / (1 - 0.9**t) * m / (u + 1e-7)
        # 60 roundings of weights of about 1, and those of the ratio.
        np.testing.assert_allclose(of_one_device[t - 1, 0], theta, atol=5e-6)
    np.testing.assert_allclose(of_one_device[-1, 2], u, rtol=1e-5)


def test_a_weight_without_gradient_keeps_its_value(of_one_device):
    moved = of_one_device[:, 0] != first_weights()
    assert not moved[:, :20].any() and moved[-1, 20:].all()


def test_two_replicas_hold_the_weights_of_one_device(of_one_device):
    np.testing.assert_array_equal(of_adamax(two_replicas()), of_one_device)


def test_each_replica_updates_its_copy_by_its_own_gradient():
    """`StrategyExtended.update` hands each device its part of what differs."""
    strategy = two_replicas()
    with strategy.scope():
        weights = tf.Variable(tf.zeros([3]))
        adamax = Adamax(weights, 0.002)
        per_replica = strategy.experimental_distribute_values_from_function(
            lambda context: tf.fill([3], 1.0 + context.replica_id_in_sync_group)
        )
        adamax.update(per_replica, tf.constant(0.1))
    local = strategy.experimental_local_results(adamax.norm)
    assert [float(norm[0]) for norm in local] == [1, 2]


# The names under which versions from 0.1.0 on stored the updates, perhaps the rate, m
# and u.
@pytest.mark.parametrize("warmup,names", [(0, "0123"), (4, "012")])
def test_the_names_in_a_checkpoint_are_those_of_earlier_versions(
    tmp_path, warmup, names
):
    trainer = tiny_trainer(tmp_path, "pretrain_vae", warmup_steps=warmup)
    state = trainer.state
    state.optimizer.iterations.assign(7)
    state.optimizer.momentum.assign(tf.ones_like(state.optimizer.momentum))
    state.optimizer.norm.assign(2 * tf.ones_like(state.optimizer.norm))
    trainer.save()
    reader = tf.train.load_checkpoint(str(tmp_path / "checkpoints" / "step-0"))
    ending = "/.ATTRIBUTES/VARIABLE_VALUE"
    stored = {
        name.removesuffix(ending): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith(ending)
    }
    counters = ["mean_log_norm", "skipped", "skipped_in_a_row", "step"]
    of_optimizer = [f"optimizer/{name}" for name in names]
    assert sorted(stored) == sorted([*counters, *of_optimizer, "average", "weights"])
    iterations, *rate, m, u = (stored[name] for name in of_optimizer)
    assert iterations == 7 and iterations.dtype == np.int64
    assert [value.shape for value in rate] == [()] * (len(names) - 3)
    assert (m == 1).all() and (u == 2).all() and m.shape == stored["weights"].shape
