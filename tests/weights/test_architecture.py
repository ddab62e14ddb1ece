"""Networks as functions of their weights."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import KL_ROUNDING_NATS, tiny_config, tiny_images, tiny_model

from agave_tf.evaluation.evaluator import Evaluator, terms_of_sample
from agave_tf.layers.weight_norm import WeightNormLayer, kernels_computed_once
from agave_tf.models.agave import AGAVE
from agave_tf.randomness import ImageDraws, seed_tensor
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.sampler import Sampler
from agave_tf.weights.in_use import (
    kernels_of,
    using_kernels,
    using_weights,
    weights_of,
)
from agave_tf.weights.library_internals import all_layers
from agave_tf.weights.named_weights import named_weights
from agave_tf.weights.skeletons import function_of_weights, skeleton_of, without_weights

SEED, INDEX = seed_tensor(5), tf.range(4)


def another_model(number, **settings):
    keras.utils.set_random_seed(number)
    return AGAVE(tiny_config(**settings).model, (8, 8, 3))


def terms_of(model):
    image = tf.constant(tiny_images().image[:4])
    return model.terms(image, ImageDraws(SEED, INDEX))


def test_a_skeleton_has_names_and_shapes_and_no_values():
    model = another_model(0)
    skeleton = skeleton_of(model)
    assert skeleton is skeleton_of(another_model(1))
    ours, theirs = named_weights(skeleton), named_weights(model)
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in theirs.items()
    }
    image = tf.constant(tiny_images().image[:4])
    with pytest.raises(RuntimeError, match="must be used within `using_weights`"):
        terms_of_sample(skeleton, image, None, None, SEED, INDEX)


@pytest.mark.parametrize("recompute", [False, True])
def test_a_skeleton_computes_and_differentiates_as_the_network_with_the_weights(
    recompute,
):
    model = tiny_model(recompute=recompute)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(terms_of(model)[0])
    expected = tape.gradient(loss, [w.value for w in model.weights])
    weights = weights_of(model)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        with using_weights(skeleton_of(model), weights):
            our_loss = tf.reduce_sum(terms_of(skeleton_of(model))[0])
    np.testing.assert_allclose(our_loss, loss, rtol=1e-6)
    for ours, theirs in zip(tape.gradient(our_loss, weights), expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            largest = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * largest)


def test_networks_of_one_architecture_share_one_graph_and_keep_their_own_results():
    traced = []

    @function_of_weights()
    def primary(network, image):
        traced.append(network)
        draws = ImageDraws(SEED, INDEX)
        return network.terms(image, draws).primary_reconstruction

    image = tf.constant(tiny_images().image[:4])
    models = [another_model(seed) for seed in (0, 1)]
    results = [primary(model, image).numpy() for model in models]
    assert len(traced) == 1
    assert (results[0] != results[1]).all()
    for model, result in zip(models, results):
        np.testing.assert_allclose(result, terms_of(model)[0], rtol=1e-5)
    # Training settings are no part of an architecture; the networks' own are.
    primary(another_model(2, learning_rate=0.1, seed=7), image)
    assert len(traced) == 1
    primary(another_model(2, num_filters=6), image)
    assert len(traced) == 2


def test_weights_given_in_a_context_reach_a_compiled_function():
    one, other = another_model(0), another_model(1)
    image = tf.constant(tiny_images().image[:4])
    with using_weights(one, weights_of(other)):
        arguments = (image, one.encode(image), None, SEED, INDEX)
        inside = terms_of_sample(one, *arguments)
    arguments = (image, other.encode(image), None, SEED, INDEX)
    expected = terms_of_sample(other, *arguments)
    np.testing.assert_allclose(inside.kl, expected.kl, rtol=1e-5, atol=KL_ROUNDING_NATS)


def test_kernels_that_are_computed_once_are_those_of_the_weights_in_use():
    one, other = another_model(0), another_model(1)
    image = tf.constant(tiny_images().image[:4])
    arguments = (image, one.encode(image), None, SEED, INDEX)
    expected = terms_of_sample(one, *arguments).primary_reconstruction
    with kernels_computed_once(one):
        found = terms_of_sample(one, *arguments).primary_reconstruction
        # A size of its own has its own layers, and the same weights.
        pixel_cnn = one.of_size((16, 8)).pixel_cnn
        assert len(kernels_of(pixel_cnn)) == sum(
            isinstance(layer, WeightNormLayer) for layer in all_layers(pixel_cnn)
        )
        assert not kernels_of(other)
        with using_weights(one, weights_of(other)):
            assert not kernels_of(one)
            inside = terms_of_sample(one, *arguments).primary_reconstruction
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(inside, expected, rtol=1e-2)
    # What is drawn and scored afterwards has the weights of that time.
    before = Evaluator(one, 4).scores(tiny_images(4), 1).bound
    for mine, others in zip(one.weights, other.weights, strict=True):
        mine.assign(others)
    after = Evaluator(one, 4).scores(tiny_images(4), 1).bound
    expected = Evaluator(other, 4).scores(tiny_images(4), 1).bound
    np.testing.assert_allclose(after, expected, rtol=1e-6)
    assert not np.allclose(before, expected, rtol=1e-3)


def test_compiled_functions_compute_with_the_kernels_they_are_given():
    model = another_model(0)
    zero = {
        place: {name: tf.zeros_like(part) for name, part in parts.items()}
        for place, parts in kernels_with(model).items()
    }
    image = tf.constant(tiny_images().image[:4])
    arguments = (image, model.encode(image), None, SEED, INDEX)
    with using_kernels(model, zero):
        found = terms_of_sample(model, *arguments).auxiliary_reconstruction
    weights = [
        tf.zeros_like(weight) if weight.path.endswith("/v") else tf.identity(weight)
        for weight in model.weights
    ]
    with using_weights(model, weights):
        expected = terms_of_sample(model, *arguments).auxiliary_reconstruction
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def kernels_with(model):
    with kernels_computed_once(model):
        return kernels_of(model)


def test_a_deleted_model_is_gone_after_evaluation_and_sampling():
    """Compiled samplers kept every weight of every model they had seen."""
    images = tiny_images(4)
    model = another_model(0)
    scores = Evaluator(model, 4).scores(images, 1)
    Sampler(model, SamplingSettings(batch_size=4)).reconstruct(images)
    assert len(scores.kl) == 4
    alive = [weakref.ref(weight.value) for weight in model.weights]
    count = sum(int(np.prod(weight.shape)) for weight in model.weights)
    del model
    gc.collect()
    left = sum(1 for reference in alive if reference() is not None)
    assert left == 0, f"{left} of {len(alive)} variables, {count} weights in all"


def test_making_a_skeleton_draws_nothing():
    before = np.random.get_state()[1].copy()
    without_weights(lambda: AGAVE(tiny_config(z_channels=4).model, (8, 8, 3)))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    "settings", [{"num_layers_per_resolution": 6}, {"num_resnets": 5}]
)
def test_layers_that_share_a_trace_compute_and_differentiate_as_they_do_alone(settings):
    model = tiny_model(dropout_rate=0.5, **settings)
    image = tf.constant(tiny_images().image[:4])

    def loss_and_gradient():
        with tf.GradientTape() as tape:
            terms = model.terms(image, ImageDraws(SEED, INDEX, num_rows=4))
            loss = tf.reduce_sum(terms[0] + terms[1] - terms.kl)
        variables = [weight.value for weight in model.weights]
        zero = tf.UnconnectedGradients.ZERO
        return loss, tape.gradient(loss, variables, unconnected_gradients=zero)

    # In a graph the layers share their trace; outside none does.
    graph = tf.function(loss_and_gradient, autograph=False)
    definition = graph.get_concrete_function().graph.as_graph_def()
    calls = [node.op for node in definition.node if node.op.endswith("PartitionedCall")]
    assert len(calls) > 10
    (ours, our_gradient), (theirs, gradient) = graph(), loss_and_gradient()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for a, b in zip(our_gradient, gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * (np.abs(b).max() + 1e-3))
