"""Muon: the updates of kernels, and of the other weights."""

import contextlib
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config, tiny_trainer, two_replicas

from agave_tf.errors import InputError
from agave_tf.runs.same_run import check_same_run
from agave_tf.runs.stages import STAGES
from agave_tf.training.muon import Muon, orthogonalized
from agave_tf.weights.weight_vector import WeightLayout

NUM_UPDATES = 20
RATE = 0.01
# Kernels that are tall, wide and square, two of one shape; a bias; and kernels of one
# column and of one row, which are vectors.
SHAPES = [
    (2, 3, 8, 5),
    (1, 1, 4, 9),
    (5,),
    (2, 3, 8, 5),
    (2, 2, 1, 4),
    (3, 1, 2, 1),
    (1, 1, 1, 7),
]
KERNELS = [0, 1, 3, 4]


@functools.cache
def layout():
    layer = keras.layers.Layer()
    for place, shape in enumerate(SHAPES):
        layer.add_weight(shape=shape, name=f"weight_{place}")
    return WeightLayout(layer)


def gradients():
    rng = np.random.default_rng(0)
    size = sum(layout().sizes)
    gradient = rng.standard_normal((NUM_UPDATES, size)) * 10 ** rng.uniform(-2, 2, size)
    return gradient.astype(np.float32)


def first_weights():
    size = sum(layout().sizes)
    return np.random.default_rng(1).standard_normal(size).astype(np.float32)


def of_muon(strategy=None):
    """The weights after each update."""
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        weights = tf.Variable(first_weights())
        muon = Muon(weights, RATE, layout())

    @tf.function
    def update(gradient):
        muon.update(gradient, tf.constant(RATE))

    found = []
    for gradient in gradients():
        with contextlib.nullcontext() if strategy is None else strategy.scope():
            update(tf.constant(gradient))
        found.append(weights.numpy())
    assert muon.iterations.numpy() == NUM_UPDATES
    return np.array(found)


@pytest.fixture(scope="module")
def of_one_device():
    return of_muon()


def split(vector):
    return np.split(vector, np.cumsum(layout().sizes)[:-1])


def test_updates_are_those_of_keras_where_it_has_matrices(of_one_device):
    """Keras takes variables of two axes for kernels, and gives others to Adam."""
    variables = []
    for place, part in enumerate(split(first_weights())):
        last = SHAPES[place][-1]
        value = part.reshape(-1, last) if place in KERNELS else part
        variables.append(keras.Variable(value, dtype="float32"))
    optimizer = keras.optimizers.Muon(
        RATE, adam_beta_2=0.99, weight_decay=None, adam_weight_decay=None
    )
    for found, gradient in zip(of_one_device, gradients()):
        parts = [
            tf.reshape(part, variable.shape)
            for part, variable in zip(split(gradient), variables)
        ]
        optimizer.apply(parts, variables)
        for ours, variable in zip(split(found), variables):
            # Both round some hundred sums.
            expected = np.ravel(variable.numpy())
            np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 30, 8), (2, 8, 30), (3, 16, 16)])
def test_singular_values_come_near_one(shape):
    matrices = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 1e3
    found = np.linalg.svd(orthogonalized(tf.constant(matrices)), compute_uv=False)
    before = np.linalg.svd(matrices, compute_uv=False)
    assert found.min() > 0.5 and found.max() < 1.35
    assert (before.max(1) / before.min(1) > 1.5).all()


def test_singular_vectors_stay():
    matrix = np.random.default_rng(0).standard_normal((1, 30, 8)).astype(np.float32)
    left, _, right = np.linalg.svd(matrix[0], full_matrices=False)
    inside = left.T @ orthogonalized(tf.constant(matrix))[0].numpy() @ right.T
    np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-3)
    assert (np.diag(inside) > 0.5).all()


def test_the_scale_of_a_gradient_changes_no_update():
    found = []
    for scale in (1.0, 1e-3, 1e3):
        weights = tf.Variable(first_weights())
        muon = Muon(weights, RATE, layout())
        for gradient in gradients():
            muon.update(tf.constant(scale * gradient), tf.constant(RATE))
        found.append(weights.numpy())
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)
    np.testing.assert_allclose(found[2], found[0], atol=2e-3)


def test_weights_without_gradient_keep_their_values():
    weights = tf.Variable(first_weights())
    muon = Muon(weights, RATE, layout())
    for _ in range(3):
        muon.update(tf.zeros(weights.shape), tf.constant(RATE))
    np.testing.assert_array_equal(weights.numpy(), first_weights())


def test_two_replicas_hold_the_weights_of_one_device(of_one_device):
    np.testing.assert_array_equal(of_muon(two_replicas()), of_one_device)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    """Its checkpoints have the names of Adamax's."""
    muon = functools.partial(tiny_trainer, stage="pretrain_pixel_cnn", optimizer="muon")
    whole = muon(tmp_path / "whole", pretrain_pixel_cnn_steps=4).train()
    muon(tmp_path / "stopped", pretrain_pixel_cnn_steps=2).train()
    resumed = muon(tmp_path / "stopped", pretrain_pixel_cnn_steps=4)
    assert isinstance(resumed.state.optimizer, Muon)
    assert resumed.step == 2
    resumed.train()
    found = resumed.state.vector.numpy()
    np.testing.assert_array_equal(found, whole.vector.numpy())


def test_a_run_keeps_its_optimizer(tmp_path):
    trainer = tiny_trainer(tmp_path, "joint")
    trainer.run.write_config()
    with pytest.raises(InputError, match="optimizer"):
        check_same_run(str(tmp_path), STAGES["joint"], tiny_config(optimizer="muon"))
