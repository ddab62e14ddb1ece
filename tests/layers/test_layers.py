"""The properties of every layer, and weight normalisation."""

import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import LAYER_CASES, OnTensors, inputs_of
from tiny import two_replicas

from agave_tf import layers
from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.gated_resnet import GatedResnet, concat_elu, dropout
from agave_tf.layers.iaf_ladder_layer import LadderLayer
from agave_tf.layers.initializing_pass import data_dependent_initialization
from agave_tf.layers.repeated import RepeatedLayer
from agave_tf.layers.shifted_convolution import DownShiftedConv2D
from agave_tf.layers.weight_norm import (
    WeightNormConv2D,
    WeightNormConv2DTranspose,
    WeightNormLayer,
)
from agave_tf.randomness import DropoutSeed, seed_tensor
from agave_tf.weights.in_use import using_weights, weights_of
from agave_tf.weights.named_weights import assign_weights, named_weights, read_weights
from agave_tf.whole_file import write_npz

EVERY_LAYER = pytest.mark.parametrize("name", LAYER_CASES)


@pytest.fixture(autouse=True)
def the_same_weights_every_time():
    keras.utils.set_random_seed(0)


def outputs_of(layer, inputs):
    return [np.asarray(output) for output in tf.nest.flatten(layer(*inputs))]


def with_other_weights(layer):
    """The layer, with noise added to every weight."""
    for i, variable in enumerate(layer.variables):
        noise = tf.random.stateless_normal(variable.shape, [i, 3], stddev=0.1)
        variable.assign(variable + noise)
    return layer


def test_every_layer_has_a_case():
    modules = [
        importlib.import_module(f"{layers.__name__}.{module.name}")
        for module in pkgutil.iter_modules(layers.__path__)
    ]
    defined = {
        value
        for module in modules
        for name, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, keras.layers.Layer)
        and value.__module__ == module.__name__
        and value not in (BaseLayer, RepeatedLayer, WeightNormLayer)
        and not name.startswith("_")
    }
    made = [case.make() for case in LAYER_CASES.values()]
    types = {type(x.layer if isinstance(x, OnTensors) else x) for x in made}
    assert types == defined


@EVERY_LAYER
def test_output_has_the_shape_and_is_the_same_compiled(name):
    case = LAYER_CASES[name]
    layer, inputs = case.make(), inputs_of(case)
    eager = outputs_of(layer, inputs)
    assert [output.shape for output in eager] == list(case.output_shapes)
    assert all(np.isfinite(output).all() for output in eager)
    compiled = outputs_of(tf.function(layer), inputs)
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@EVERY_LAYER
def test_weights_stored_by_name_restore_the_same_function(name, tmp_path):
    case = LAYER_CASES[name]
    inputs = inputs_of(case)
    layer, other = with_other_weights(case.make()), case.make()
    path = str(tmp_path / "weights.npz")
    write_npz(path, {k: v.numpy() for k, v in named_weights(layer).items()})
    assign_weights(other, read_weights(path), source=path)
    for a, b in zip(outputs_of(layer, inputs), outputs_of(other, inputs), strict=True):
        np.testing.assert_array_equal(a, b)


@EVERY_LAYER
def test_a_checkpoint_of_the_named_weights_restores_the_same_function(name, tmp_path):
    case = LAYER_CASES[name]
    inputs = inputs_of(case)
    layer, other = with_other_weights(case.make()), case.make()

    def checkpoint(layer):
        # By name, as in training: Checkpoint does not find layers in a layer's lists.
        weights = named_weights(layer).items()
        return tf.train.Checkpoint(weights={k: v.value for k, v in weights})

    path = checkpoint(layer).save(str(tmp_path / "checkpoint"))
    checkpoint(other).restore(path).assert_consumed()
    for a, b in zip(outputs_of(layer, inputs), outputs_of(other, inputs), strict=True):
        np.testing.assert_array_equal(a, b)


@EVERY_LAYER
def test_gradient_reaches_every_weight(name):
    case = LAYER_CASES[name]
    layer, inputs = case.make(), inputs_of(case)
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(layer(*inputs))
        total = tf.add_n([tf.reduce_sum(tf.sin(output)) for output in outputs])
    for variable, gradient in zip(
        layer.trainable_variables,
        tape.gradient(total, layer.trainable_variables),
        strict=True,
    ):
        assert gradient is not None, variable.path
        assert np.abs(gradient.numpy()).max() > 0, variable.path


@EVERY_LAYER
def test_two_replicas_compute_what_one_does(name):
    case = LAYER_CASES[name]
    strategy = two_replicas()
    with strategy.scope():
        layer = case.make()
    inputs = inputs_of(case, batch=4)
    halves = [
        strategy.experimental_distribute_values_from_function(
            lambda context, x=x: tf.split(x, 2)[context.replica_id_in_sync_group]
        )
        for x in inputs
    ]
    result = strategy.run(lambda *args: tf.nest.flatten(layer(*args)), args=halves)
    for whole, parts in zip(outputs_of(layer, inputs), result, strict=True):
        parts = np.concatenate(strategy.experimental_local_results(parts))
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gain", ["linear", "exponential"])
@pytest.mark.parametrize("make", [WeightNormConv2D, WeightNormConv2DTranspose])
def test_data_dependent_initialisation_normalises_the_output(make, gain):
    layer = make(3, 5, (3, 3), gain=gain, init_scale=0.7)
    x = 4 * tf.random.stateless_normal([16, 8, 8, 3], [0, 1]) + 2
    with data_dependent_initialization():
        first = layer(x)
    for y in (first, layer(x)):
        mean, variance = tf.nn.moments(y, axes=[0, 1, 2])
        np.testing.assert_allclose(mean, 0, atol=1e-4)
        np.testing.assert_allclose(tf.sqrt(variance), 0.7, rtol=1e-4)


CONVOLUTIONS = [
    name
    for name, case in LAYER_CASES.items()
    if isinstance(case.make(), (WeightNormConv2D, WeightNormConv2DTranspose))
]


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_initialisation_normalises_every_kind_of_convolution(name):
    case = LAYER_CASES[name]
    layer = case.make()
    (x,) = inputs_of(case, batch=16)
    x = 3 * x + 1
    with data_dependent_initialization():
        first = layer(x)
    np.testing.assert_allclose(layer(x), first, atol=1e-4)
    # The whole output is normalised; transposed convolutions crop it afterwards.
    whole = layer.convolve(x, layer.kernel()) + layer.b
    mean, variance = tf.nn.moments(whole, axes=[0, 1, 2])
    np.testing.assert_allclose(mean, 0, atol=1e-4)
    np.testing.assert_allclose(tf.sqrt(variance), layer.init_scale, rtol=1e-4)


def test_a_channel_that_is_constant_over_the_batch_keeps_a_moderate_gain():
    layer = WeightNormConv2D(3, 5, gain="exponential", init_scale=0.1)
    with data_dependent_initialization():
        layer(tf.zeros([4, 8, 8, 3]))
    np.testing.assert_allclose(np.exp(layer.g), 0.1, rtol=1e-5)
    original = WeightNormConv2D(3, 5, gain="exponential", init_scale=0.1)
    with data_dependent_initialization(as_openai_iaf=True):
        original(tf.zeros([4, 8, 8, 3]))
    np.testing.assert_allclose(np.exp(original.g), 1e4 ** (1 / 3), rtol=1e-4)


def test_initialisation_ends_with_its_context():
    layer = WeightNormConv2D(3, 5)
    with data_dependent_initialization():
        layer(tf.random.stateless_normal([4, 8, 8, 3], [0, 1]))
    g = layer.g.numpy()
    layer(tf.random.stateless_normal([4, 8, 8, 3], [0, 2]))
    np.testing.assert_array_equal(layer.g, g)


NOT_HERE = "Data-dependent initialisation must call the layers eagerly"


def initialize(layer, x):
    with data_dependent_initialization():
        return layer(x)


@pytest.fixture
def mirrored():
    return two_replicas()


def test_initialisation_works_within_the_scope_of_a_strategy(mirrored):
    x = 3 * tf.random.stateless_normal([4, 8, 8, 3], [0, 1]) + 1
    with mirrored.scope():
        layer = WeightNormConv2D(3, 5)
        expected = initialize(layer, x)
    # Every replica has the new gains and biases.
    for y in mirrored.experimental_local_results(mirrored.run(layer, (x,))):
        np.testing.assert_allclose(y, expected, atol=1e-5)
        np.testing.assert_allclose(tf.nn.moments(y, [0, 1, 2])[1], 1, rtol=1e-4)


def test_initialisation_in_a_replica_is_refused(mirrored):
    with mirrored.scope():
        layer = WeightNormConv2D(3, 5)
    g, x = layer.g.numpy(), tf.ones([4, 8, 8, 3])

    def context_around_the_replicas():
        with data_dependent_initialization():
            mirrored.run(layer, (x,))

    # Each replica has a thread of its own, which does not see the context.
    with pytest.raises(RuntimeError, match=f"{NOT_HERE}.*no weight-normalised layer"):
        context_around_the_replicas()
    with pytest.raises(RuntimeError, match=f"{NOT_HERE}.*inside `strategy.run`"):
        mirrored.run(initialize, (layer, x))
    np.testing.assert_array_equal(layer.g.numpy(), g)


def test_initialisation_in_a_compiled_function_is_refused():
    layer, x = WeightNormConv2D(3, 5), tf.ones([4, 8, 8, 3])
    g = layer.g.numpy()
    with pytest.raises(RuntimeError, match=f"{NOT_HERE}.*inside a tf.function"):
        tf.function(initialize, autograph=False)(layer, x)
    compiled = tf.function(layer, autograph=False)
    with pytest.raises(RuntimeError, match=f"{NOT_HERE}.*inside a tf.function"):
        initialize(compiled, x)
    # A function that was traced before runs none of the layer's Python code.
    compiled(x)
    with pytest.raises(RuntimeError, match=f"{NOT_HERE}.*no weight-normalised layer"):
        initialize(compiled, x)
    np.testing.assert_array_equal(layer.g, g)


@pytest.mark.parametrize(
    "gain,axes", [("linear", (0, 1, 2)), ("exponential", (0, 1, 2))]
)
def test_norm_of_each_output_channel_is_its_gain(gain, axes):
    layer = WeightNormConv2D(3, 5, (3, 3), gain=gain)
    layer.g.assign([0.5, -1.0, 2.0, 0.0, 3.0])
    expected = np.exp(layer.g) if gain == "exponential" else np.abs(layer.g)
    norms = np.sqrt((layer.kernel().numpy() ** 2).sum(axis=axes))
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


def test_concat_elu_doubles_channels_and_keeps_both_signs():
    x = np.array([[-2.0, 0.5]], np.float32)
    expected = [[np.exp(-2) - 1, 0.5, 2.0, np.exp(-0.5) - 1]]
    np.testing.assert_allclose(concat_elu(tf.constant(x)), expected, rtol=1e-5)


def test_dropout_keeps_the_mean_and_drops_the_share():
    seed = DropoutSeed(seed_tensor(3), tf.range(50), 50)
    y = dropout(tf.ones([50, 8, 8, 16]), 0.3, seed).numpy()
    # n = 51,200: 5 standard errors of the share are .010; false fail 6e-7.
    assert abs((y == 0).mean() - 0.3) < 0.0102
    np.testing.assert_allclose(y[y > 0], 1 / 0.7, rtol=1e-6)


def test_dropout_masks_do_not_depend_on_how_rows_are_split():
    x = tf.ones([6, 4, 4, 3])
    whole = dropout(x, 0.5, DropoutSeed(seed_tensor(1), tf.range(6), 6)).numpy()
    rows = tf.constant([3, 4])
    part = dropout(x[:2], 0.5, DropoutSeed(seed_tensor(1), rows, 6)).numpy()
    np.testing.assert_array_equal(part, whole[3:5])


def test_without_a_seed_there_is_no_dropout():
    layer = GatedResnet(DownShiftedConv2D, 3, dropout_rate=0.5)
    x = tf.random.stateless_normal([2, 4, 4, 3], [0, 1])
    np.testing.assert_array_equal(layer(x), layer(x))
    seed = DropoutSeed(seed_tensor(1), tf.range(2), 2)
    assert np.abs(layer(x, dropout_seed=seed) - layer(x)).max() > 0


def test_keras_sees_every_weight_of_a_layer_in_lists():
    layer = LAYER_CASES["condition_stream"].make()
    convolutions = 1 + 2 + 8
    assert len(layer.trainable_variables) == 3 * convolutions


def test_initialisation_refuses_weights_that_are_given():
    """Variables assigned to within a stateless scope of Keras do not change."""
    layer = WeightNormConv2D(3, 5)
    x = tf.random.stateless_normal([4, 8, 8, 3], [0, 1])
    with (
        using_weights(layer, weights_of(layer)),
        pytest.raises(RuntimeError, match=f"{NOT_HERE}.*inside `using_weights`"),
        data_dependent_initialization(),
    ):
        layer(x)


def test_initialisation_reaches_layers_that_are_recomputed():
    level = LadderLayer(6, 3, downsample=False, recompute=True)
    x = tf.random.stateless_normal([4, 8, 8, 6], [0, 1])
    with data_dependent_initialization():
        first = level.bottom_up(x)
    for again, output in zip(
        tf.nest.flatten(level.bottom_up(x)), tf.nest.flatten(first), strict=True
    ):
        np.testing.assert_allclose(again, output, atol=1e-5)
    np.testing.assert_allclose(tf.math.reduce_std(first[0].mean), 0.1, rtol=1e-3)
