"""The settings of the program that uses a model change no number of it."""

import copy
import logging
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import LAYER_CASES, OnTensors
from tiny import tiny_config, tiny_images, tiny_model, tiny_trainer

from agave_tf.distributions.discretized_logistic import DiscretizedLogistic
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.layers.base_layer import BaseLayer
from agave_tf.models.agave import AGAVE
from agave_tf.models.pixel_cnn_model import PixelCNNModel
from agave_tf.randomness import ImageDraws, seed_tensor
from agave_tf.runs.open_run import load_run
from agave_tf.training.train_stage import train_stage
from agave_tf.training.train_state import TrainState
from agave_tf.weights.skeletons import function_of_weights

USER_SETTINGS = {
    "mixed_float16": lambda: keras.mixed_precision.set_global_policy("mixed_float16"),
    "mixed_bfloat16": lambda: keras.config.set_dtype_policy("mixed_bfloat16"),
    "float64": lambda: keras.config.set_dtype_policy("float64"),
    "floatx float64": lambda: keras.config.set_floatx("float64"),
    "floatx float16": lambda: keras.config.set_floatx("float16"),
}
EVERY_SETTING = pytest.mark.parametrize("setting", USER_SETTINGS)


@pytest.fixture(autouse=True)
def users_settings():
    """Undoes the settings of a test."""
    policy, float_type = keras.config.dtype_policy(), keras.config.floatx()
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(float_type)


def terms_of(model):
    """The terms of four images, computed layer by layer, by no compiled function."""
    image = tf.constant(tiny_images().image[:4])
    return model.terms(image, ImageDraws(seed_tensor(5), tf.range(4)))


def model_of_seed(**settings):
    keras.utils.set_random_seed(0)
    return tiny_model(**settings)


def assert_same_weights(one, other):
    for a, b in zip(one.weights, other.weights, strict=True):
        assert a.dtype == b.dtype == "float32"
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def plain():
    """A model, made under Keras's own settings."""
    return model_of_seed()


@pytest.fixture(scope="module")
def plain_terms(plain):
    return terms_of(plain)


@EVERY_SETTING
def test_keras_settings_of_the_user_change_no_weight_and_no_score(
    setting, plain, plain_terms
):
    """Under mixed_float16 weights and scores were others; float64 ended in an error."""
    USER_SETTINGS[setting]()
    # Made before the setting and used after it; and made and used after it.
    for model in (plain, model_of_seed()):
        assert_same_weights(model, plain)
        for ours, theirs in zip(terms_of(model), plain_terms, strict=True):
            assert ours.dtype == tf.float32
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("warmup_steps", [0, 2])
@pytest.mark.parametrize("setting", ["floatx float16", "floatx float64"])
def test_keras_settings_of_the_user_change_no_update(setting, warmup_steps, plain):
    """The learning rate had the user's float type too, and float16 rounded it."""

    def updated():
        settings = tiny_config(warmup_steps=warmup_steps, learning_rate=0.0123)
        state = TrainState(plain, settings, num_steps=3)
        for _ in range(2):
            state.update(tf.ones([state.layout.size]))
        return state.vector.numpy()

    expected = updated()
    USER_SETTINGS[setting]()
    np.testing.assert_array_equal(updated(), expected)
    # It is still the user's own.
    assert keras.config.floatx() == setting.removeprefix("floatx ")


def test_our_own_precision_still_works_under_a_policy(plain_terms):
    expected = terms_of(model_of_seed(compute_dtype="bfloat16"))
    assert not np.array_equal(expected.kl, plain_terms.kl)
    USER_SETTINGS["float64"]()
    ours = terms_of(model_of_seed(compute_dtype="bfloat16"))
    np.testing.assert_array_equal(ours.primary_reconstruction, expected[0])


COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_a_model_computes_the_same_and_has_weights_of_its_own(
    way, plain, plain_terms
):
    plain.weights[0].trainable = False
    other = COPIES[way](plain)
    plain.weights[0].trainable = True
    assert [w.trainable for w in other.weights].count(False) == 1
    assert type(other) is AGAVE and other.architecture == plain.architecture
    assert other.config == plain.config
    assert_same_weights(other, plain)
    for ours, theirs in zip(terms_of(other), plain_terms, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other.vae.log_scale.assign(other.vae.log_scale + 1)
    with pytest.raises(AssertionError):
        assert_same_weights(other, plain)


def test_what_holds_a_model_can_be_copied_with_it(plain):
    evaluator = copy.deepcopy(Evaluator(plain, 2))
    assert evaluator.model is not plain
    assert_same_weights(evaluator.model, plain)
    alone = pickle.loads(pickle.dumps([tiny_model("pretrain_pixel_cnn")]))
    assert type(alone[0]) is PixelCNNModel


@pytest.mark.parametrize("name", LAYER_CASES)
def test_every_layer_can_be_copied(name):
    layer = LAYER_CASES[name].make()
    layer = layer.layer if isinstance(layer, OnTensors) else layer
    assert_same_weights(copy.deepcopy(layer), layer)


def test_without_eager_execution_one_line_says_so(plain, tmp_path):
    """It ended as AttributeError: 'SymbolicTensor' object has no attribute 'numpy'."""
    tiny_trainer(tmp_path / "run", "pretrain_vae", pretrain_vae_steps=1).save()
    line = "`agave_tf.load_run` and its models must be used with eager execution"
    with tf.Graph().as_default():
        for use in (
            lambda: AGAVE(tiny_config().model, (8, 8, 3)),
            lambda: Evaluator(plain, 4).scores(tiny_images(4), 1),
            lambda: load_run(str(tmp_path / "run")),
        ):
            with pytest.raises(InputError, match=line) as refused:
                use()
            assert "\n" not in str(refused.value)


class Shift(BaseLayer):
    """A layer of any architecture."""

    def __init__(self, number):
        super().__init__(name="shift")
        self.architecture = (number,)
        self.shift = self.add_weight(shape=(1,), initializer="ones", name="shift")
        self.built = True


def test_a_first_trace_of_each_architecture_is_no_warning(caplog):
    """TensorFlow counted all of them as traces of one function, and warned."""

    @function_of_weights()
    def shifted(layer, x):
        return x + layer.shift

    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        caplog.handler.setLevel(logging.WARNING)
        tf.get_logger().addHandler(caplog.handler)
        for number in range(12):
            shifted(Shift(number), tf.zeros([1]))
        tf.get_logger().removeHandler(caplog.handler)
    assert "retracing" not in caplog.text


@pytest.fixture
def checked_numerics():
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


def test_a_healthy_model_passes_tensorflows_check_of_numerics(checked_numerics):
    """A constant -inf, for values outside the support, ended every evaluation."""
    # Traced while numerics are checked: an architecture of its own.
    model = tiny_model(num_filters=5, z_channels=4)
    assert np.isfinite(Evaluator(model, 4).scores(tiny_images(4), 2).bound).all()
    outside = DiscretizedLogistic(loc=0.0, log_scale=0.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Infinity"):
        outside.log_prob(300.0)


def test_where_numerics_cannot_be_checked_one_line_says_so(checked_numerics):
    @function_of_weights(jit_compile=True)
    def shifted(layer, x):
        return x + layer.shift

    line = "`tf.debugging.enable_check_numerics` must be off where images are drawn"
    with pytest.raises(InputError, match=line):
        shifted(Shift(1), tf.zeros([1]))
    tf.debugging.disable_check_numerics()
    assert shifted(Shift(1), tf.zeros([1])) == 1


def test_training_with_xla_where_numerics_are_checked_writes_nothing(
    checked_numerics, tmp_path
):
    """It ended in a traceback, in a run directory of step 0."""
    config = tiny_config(jit_compile=True)
    with pytest.raises(InputError, match="`jit_compile` must be off .*check_numerics"):
        train_stage("pretrain_vae", config, str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []
