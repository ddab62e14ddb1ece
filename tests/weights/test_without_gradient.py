"""Functions that nobody differentiates have smaller graphs, and the same numbers."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_images, tiny_model

from agave_tf.randomness import ImageDraws, seed_tensor
from agave_tf.weights.in_use import weights_of
from agave_tf.weights.skeletons import function_of_weights

SEED, INDEX = seed_tensor(5), tf.range(4)


def _loss(model, image):
    terms = model.terms(image, ImageDraws(SEED, INDEX))
    return tf.reduce_sum(terms[0] + terms[1] - terms.kl)


_without = function_of_weights()(_loss)
_with = function_of_weights(has_gradient=True)(_loss)


def _operations(function, model, image):
    graph = tf.function(lambda: function(model, image), autograph=False)
    definition = graph.get_concrete_function().graph.as_graph_def()
    nodes = [node for f in definition.library.function for node in f.node_def]
    return [node.op for node in nodes]


@pytest.mark.parametrize(
    "settings", [{}, {"recompute": True}, {"num_resnets": 5}], ids=str
)
def test_computes_the_same_in_fewer_operations(settings):
    model, image = tiny_model(**settings), tf.constant(tiny_images().image[:4])
    assert float(_without(model, image)) == float(_with(model, image))
    ours, others = (_operations(f, model, image) for f in (_without, _with))
    # The results of our gradients, and of what is computed again, are IdentityN.
    assert "IdentityN" not in ours and "IdentityN" in others
    assert len(ours) < len(others)


def test_gradient_that_is_taken_all_the_same_is_right():
    model, image = tiny_model(), tf.constant(tiny_images().image[:4])
    weights = weights_of(model)
    gradients = []
    for function in (_without, _with):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = function(model, image)
        gradients.append(tape.gradient(loss, [w.value for w in model.weights]))
    compared = 0
    for ours, expected in zip(*gradients, strict=True):
        assert (ours is None) == (expected is None)
        if ours is not None:
            compared += 1
            largest = np.abs(expected).max()
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * largest)
    assert compared > 50
