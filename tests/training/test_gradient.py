"""Every way of computing a gradient gives the same gradient."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_config, tiny_images, tiny_model

from agave_tf.data.batches import ImageBatch
from agave_tf.errors import InputError
from agave_tf.models.parts import bits_per_dim
from agave_tf.runs.stages import STAGES
from agave_tf.training.gradient import make_gradient
from agave_tf.weights.named_weights import named_weights
from agave_tf.weights.weight_vector import WeightLayout

BATCH = 4
# What concerns the objective alone has a PixelCNN++ of one resolution. Its layers are
# recomputed, rounded and compiled with all three.
DEEP = {"num_pixel_cnn_resolutions": 3}


@functools.cache
def gradient(stage="joint", **settings):
    """The gradient and terms of a batch, of a model that is always the same."""
    settings = {"num_pixel_cnn_resolutions": 1, **settings}
    keras.utils.set_random_seed(0)
    # Initialised on all images, so that no choice of them moves the numbers.
    settings = {"dropout_rate": 0.5, "num_initialization_images": 24, **settings}
    model = tiny_model(stage, **settings)
    # The injection of f(z) starts at zero; here the condition must matter.
    for variable in model.trainable_variables:
        if "condition" in variable.path and variable.path.endswith("/g"):
            variable.assign(tf.fill(variable.shape, 0.1))
    image = tf.constant(tiny_images().image[:BATCH])
    batch = ImageBatch(image, tf.zeros([BATCH], tf.int32), tf.range(BATCH))
    function = make_gradient(model, STAGES[stage], tiny_config(**settings))
    named = {name: value.numpy() for name, value in named_weights(model).items()}
    weights = tf.constant(WeightLayout(model).vector(named))
    vector, terms = function(weights, batch, tf.constant(7, tf.int64))
    return vector.numpy(), {k: v.numpy() for k, v in terms._asdict().items()}


@pytest.fixture(scope="module", autouse=True)
def _forget_gradients():
    yield
    gradient.cache_clear()


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate_steps": 2},
        {"accumulate_steps": 4},
        {"recompute": True, **DEEP},
        {"recompute": True, "accumulate_steps": 2, **DEEP},
    ],
    ids=lambda settings: "_".join(settings),
)
def test_gradients_are_the_same_however_they_are_computed(settings):
    network = {name: settings[name] for name in DEEP if name in settings}
    assert_same(gradient(**settings), gradient(**network))


def assert_same(ours, theirs):
    (vector, terms), (their_vector, their_terms) = ours, theirs
    for name, value in their_terms.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4, err_msg=name)
    largest = np.abs(their_vector).max()
    np.testing.assert_allclose(vector, their_vector, rtol=0, atol=1e-4 * largest)


@pytest.mark.parametrize(
    "stage,network",
    # The joint step joins the two; with all layers XLA took two minutes for it.
    [("pretrain_vae", {}), ("pretrain_pixel_cnn", DEEP), ("joint", {})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_compiled_gradients_are_the_same_down_to_the_random_draws(stage, network):
    assert_same(
        gradient(stage, jit_compile=True, **network), gradient(stage, **network)
    )


def test_bfloat16_rounds_features_and_nothing_else():
    plain = gradient(**DEEP)
    vector, terms = gradient(compute_dtype="bfloat16", **DEEP)
    assert vector.dtype == np.float32
    cosine = vector @ plain[0] / np.linalg.norm(vector) / np.linalg.norm(plain[0])
    bits = {
        name: bits_per_dim(abs(terms[name] - plain[1][name]), 8 * 8 * 3)
        for name in ("primary_reconstruction", "auxiliary_reconstruction", "kl")
    }
    print(f"cosine {cosine:.5f}, bits/dim off by {bits}")
    assert cosine > 0.99
    # bfloat16 has 8 bits of precision, 0.4 % a rounding; there must be a difference.
    assert all(0 < abs(value) < 0.03 for value in bits.values())


def test_free_bits_cannot_be_accumulated():
    with pytest.raises(InputError, match="`accumulate_steps` must be 1 with free bits"):
        tiny_config(kl_min=0.1, accumulate_steps=2)


def test_the_joint_stage_without_the_auxiliary_loss_is_the_ablation():
    assert_same(gradient(auxiliary_weight=0.0), gradient("ablation"))


def test_annealing_raises_the_weight_of_the_kl_to_its_value():
    plain = gradient()
    # Gradients are of step 7.
    assert_same(gradient(kl_weight=2.0, kl_annealing_steps=14), plain)
    assert_same(gradient(kl_annealing_steps=7), plain)
    without, _ = gradient(kl_weight=0.0)
    half, _ = gradient(kl_annealing_steps=14)
    middle = (without + plain[0]) / 2
    np.testing.assert_allclose(half, middle, rtol=0, atol=1e-4 * np.abs(middle).max())
