"""Exact arithmetic: the same bits whatever computes them, and near those of floats."""

import ast
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from exact_passes import (
    digests,
    exact_model,
    in_order,
    in_tensorflow,
    in_xla,
    inputs_of,
    parallel,
)

from agave_tf.layers.exact_weights import computing_exactly, exact_weights
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.weights.in_use import arithmetic_in_use
from agave_tf.weights.skeletons import function_of_weights


def exactly(run, model, inputs):
    """The results of a pass in exact arithmetic."""
    with computing_exactly(model, exact_weights(model)):
        return [value.numpy() for value in run(model, inputs)]


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_exact_results_are_near_those_of_floats():
    model = exact_model()
    inputs = inputs_of(model, batch=3)
    found = exactly(in_tensorflow, model, inputs)
    noise = [level.astype(np.float32) for level in inputs.noise]
    floats = in_tensorflow(model, inputs._replace(noise=noise))
    assert [x.dtype for x in found] == [np.float64] * 2 + [np.int32] * 2
    assert [x.dtype for x in floats] == [tf.float32] * 2 + [tf.int32] * 2
    for a, b in zip(found[:2], floats[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)
        # On the grid.
        np.testing.assert_array_equal(a * 2**16, np.round(a * 2**16))
    sizes = found[3] - found[2]
    np.testing.assert_allclose(sizes, floats[3] - floats[2], rtol=0.02, atol=3)


def test_no_batch_and_no_compiler_changes_a_bit():
    model = exact_model()
    five = exactly(in_tensorflow, model, inputs_of(model, 5))
    for batch in (1, 3):
        found = exactly(in_tensorflow, model, inputs_of(model, batch))
        assert_equal(found, [x[:batch] for x in five])
    assert_equal(exactly(parallel, model, inputs_of(model, 5)), five)
    assert_equal(exactly(in_xla, model, inputs_of(model, 3)), [x[:3] for x in five])


@pytest.mark.parametrize(
    "size,settings",
    [
        # Padded to multiples of 4; and not padded, without z.
        ((5, 7), {"num_classes": 3, "auxiliary_downsampling": 2}),
        ((4, 8), {"channels": 1, "kind": PixelCNNModel, "nonlinearity": "elu"}),
    ],
)
def test_the_parallel_pass_gives_the_numbers_of_the_sequential_one(size, settings):
    model = exact_model(size, **settings)
    inputs = inputs_of(model, batch=2)
    f_z, parameters, *_ = exactly(in_tensorflow, model, inputs)
    assert np.ptp(parameters) > 0.1
    assert_equal(exactly(in_order, model, inputs), [f_z, parameters])


def test_other_processes_instructions_libraries_and_threads_give_the_same():
    def started(threads, **environment):
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        return subprocess.Popen(
            [sys.executable, "tests/exact_passes.py", f"--threads={threads}"],
            env={**os.environ, "PYTHONPATH": ".:tests", **environment},
            cwd=pathlib.Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )

    def instructions(onednn, xla):
        flags = f"--xla_cpu_max_isa={xla}"
        return {"ONEDNN_MAX_CPU_ISA": onednn, "XLA_FLAGS": flags}

    processes = [
        started(1, **instructions("AVX2", "AVX2")),
        started(2, **instructions("SSE41", "SSE4_2")),
        started(1, TF_ENABLE_ONEDNN_OPTS="0"),
    ]
    found = [digests()]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        found.append(ast.literal_eval(output))
    # In floats the same settings do change bits, so they do reach the libraries.
    assert len({one.pop("float") for one in found}) > 1
    assert found == [found[0]] * 4


def test_weights_once_computed_serve_every_model_of_the_architecture():
    """The compiled function takes the exact weights as arguments, as others."""
    first, second = exact_model(), exact_model()
    for variable in second.weights:
        variable.assign(variable * 0.9)
    inputs = inputs_of(first, batch=1)
    traced = []

    @function_of_weights()
    def parameters(model, inputs):
        traced.append(arithmetic_in_use())
        return parallel(model, inputs)[:2]

    results = [exactly(parameters, model, inputs) for model in (first, second)]
    assert len(traced) == 1
    assert (results[0][1] != results[1][1]).mean() > 0.9
    noise = [level.astype(np.float32) for level in inputs.noise]
    floats = parameters(first, inputs._replace(noise=noise))
    assert floats[1].dtype == tf.float32 and len(traced) == 2


def test_a_layer_without_exact_weights_does_not_compute_in_floats_instead():
    model = exact_model()
    inputs = inputs_of(model, batch=1)
    with (
        computing_exactly(model, model.weights),
        pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError)),
    ):
        parallel(model, inputs)


@pytest.fixture(autouse=True)
def the_same_names_every_time():
    keras.backend.clear_session()
