"""The likelihood of the auxiliary image."""

import numpy as np
import pytest
import tensorflow as tf
from distribution_checks import (
    check_finite_with_gradient,
    check_frequencies,
    check_outside_is_minus_infinity,
    check_probabilities_sum_to_one,
)
from golden_file import load, report
from scipy import special

from agave_tf.distributions.discretized_logistic import DiscretizedLogistic
from agave_tf.errors import InputError

LEVELS = [256, 128, 8, 2]
LOCS = np.array([-1e6, -300.0, -0.5, 0.0, 17.3, 128.0, 255.9, 300.0, 1e6])
SCALES = np.array([1e-4, 1e-2, 0.3, 1.0, 20.0, 1e4])


def values_of(num_color_levels):
    width = 256 // num_color_levels
    return np.arange(num_color_levels) * width + (width - 1) / 2


def log_mass_in_float64(loc, scale, num_color_levels, open_tails):
    """Eq. 10 by scipy's expit, computed from the tail that loses no digits."""
    width = 256 / num_color_levels
    k = np.arange(num_color_levels)
    lower, upper = (width * k - loc) / scale, (width * (k + 1) - loc) / scale
    with np.errstate(divide="ignore"):
        left = special.expit(upper) - special.expit(lower)
        right = special.expit(-lower) - special.expit(-upper)
        mass = np.log(np.where(lower > 0, right, left))
        if open_tails:
            mass[0] = special.log_expit(upper[0])
            mass[-1] = special.log_expit(-lower[-1])
    return mass


@pytest.mark.parametrize("num_color_levels", LEVELS)
def test_probabilities_of_all_levels_sum_to_one(num_color_levels):
    loc, log_scale = np.meshgrid(LOCS, np.log(SCALES))
    likelihood = DiscretizedLogistic(
        loc.astype(np.float32), log_scale.astype(np.float32), num_color_levels
    )
    values = values_of(num_color_levels).astype(np.float32)
    check_probabilities_sum_to_one(likelihood.log_prob(values[:, None, None]))


@pytest.mark.parametrize("open_tails", [True, False])
@pytest.mark.parametrize("num_color_levels", LEVELS)
def test_log_prob_is_equation_10(num_color_levels, open_tails):
    values = values_of(num_color_levels)
    for loc in (-40.0, 0.0, 17.3, 128.0, 255.9):
        for scale in (0.5, 1.0, 20.0, 1e3):
            expected = log_mass_in_float64(loc, scale, num_color_levels, open_tails)
            likelihood = DiscretizedLogistic(
                tf.constant(loc, tf.float64),
                tf.constant(np.log(scale), tf.float64),
                num_color_levels,
                open_tails,
            )
            ours = likelihood.log_prob(tf.constant(values, tf.float64)).numpy()
            known = np.isfinite(expected)
            np.testing.assert_allclose(
                ours[known], expected[known], rtol=1e-9, atol=1e-12
            )


@pytest.mark.parametrize("open_tails", [True, False])
@pytest.mark.parametrize("num_color_levels", LEVELS)
def test_value_and_gradient_are_finite_everywhere(num_color_levels, open_tails):
    values = values_of(num_color_levels).astype(np.float32)
    value, loc, log_scale = np.meshgrid(values, LOCS, np.log(SCALES))

    def log_prob(loc, log_scale):
        return DiscretizedLogistic(
            loc, log_scale, num_color_levels, open_tails
        ).log_prob(tf.constant(value, tf.float32))

    check_finite_with_gradient(
        log_prob, tf.constant(loc, tf.float32), tf.constant(log_scale, tf.float32)
    )


@pytest.mark.parametrize("open_tails", [True, False])
def test_outside_the_support_is_minus_infinity_without_nan_in_the_gradient(open_tails):
    outside = tf.constant([-1.0, -1e-3, 256.0, 1e9, np.inf, -np.inf, np.nan])
    check_outside_is_minus_infinity(
        lambda loc, log_scale: DiscretizedLogistic(
            loc, log_scale, open_tails=open_tails
        ).log_prob(outside),
        tf.constant(100.0),
        tf.constant(1.0),
    )


@pytest.mark.parametrize("num_color_levels", LEVELS)
def test_every_value_of_a_level_has_the_log_prob_of_the_level(num_color_levels):
    likelihood = DiscretizedLogistic(100.0, 4.0, num_color_levels)
    width = 256 / num_color_levels
    first = np.arange(num_color_levels, dtype=np.float32) * width
    for within in (0.0, 0.5 * width, width - 2.0**-8):
        np.testing.assert_array_equal(
            likelihood.log_prob(first + within),
            likelihood.log_prob(values_of(num_color_levels).astype(np.float32)),
        )


@pytest.mark.parametrize("open_tails", [True, False])
@pytest.mark.parametrize("loc,scale", [(100.0, 10.0), (3.0, 20.0), (250.0, 60.0)])
@pytest.mark.parametrize("num_color_levels", [256, 8])
def test_samples_agree_with_log_prob(num_color_levels, loc, scale, open_tails):
    likelihood = DiscretizedLogistic(loc, np.log(scale), num_color_levels, open_tails)
    values = values_of(num_color_levels).astype(np.float32)
    probabilities = np.exp(likelihood.log_prob(values).numpy().astype(np.float64))
    probabilities /= probabilities.sum()
    samples = likelihood.sample(100_000, seed=(0, 3)).numpy()
    check_frequencies(samples, values, probabilities)


@pytest.mark.parametrize("loc", [-1000.0, -20.0, 276.0, 1256.0])
def test_samples_without_tails_are_of_what_is_left_when_loc_is_far_outside(loc):
    # The cdf rounds to 0 or 1 there; a sampler that inverts it draws one level only.
    likelihood = DiscretizedLogistic(loc, np.float32(np.log(2.0)), open_tails=False)
    values = values_of(256).astype(np.float32)
    log_prob = likelihood.log_prob(values).numpy().astype(np.float64)
    samples = likelihood.sample(100_000, seed=(0, 3)).numpy()
    check_frequencies(samples, values, special.softmax(log_prob))


@pytest.mark.parametrize("open_tails", [True, False])
def test_mean_and_mode_are_those_of_the_probabilities(open_tails):
    for num_color_levels in (256, 8, 2):
        values = values_of(num_color_levels)
        for loc in (-100.0, 3.0, 100.0, 255.0):
            for scale in (1.0, 30.0, 400.0):
                likelihood = DiscretizedLogistic(
                    tf.constant(loc, tf.float64),
                    tf.constant(np.log(scale), tf.float64),
                    num_color_levels,
                    open_tails,
                )
                p = np.exp(likelihood.log_prob(tf.constant(values)).numpy())
                mean = (p * values).sum() / p.sum()
                np.testing.assert_allclose(likelihood.mean(), mean, rtol=1e-6)
                mode = int(np.argwhere(values == likelihood.mode().numpy())[0, 0])
                assert p[mode] >= p.max() * (1 - 1e-12)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("open_tails", [True, False])
def test_works_in_a_graph_of_unknown_shapes_in_either_precision(open_tails, dtype):
    def results(loc, log_scale):
        likelihood = DiscretizedLogistic(loc, log_scale, 16, open_tails)
        samples = likelihood.sample(5, seed=(0, 1))
        log_prob = likelihood.log_prob(samples)
        return samples, log_prob, likelihood.mean(), likelihood.mode()

    loc = tf.constant([[10.0], [100.0], [300.0], [-50.0]], dtype)
    log_scale = tf.constant([0.5, 2.0, 4.0], dtype)
    unknown = [tf.TensorSpec([None, None], dtype), tf.TensorSpec([None], dtype)]
    in_graph = tf.function(results, input_signature=unknown)(loc, log_scale)
    shapes = [(5, 4, 3), (5, 4, 3), (4, 3), (4, 3)]
    for graph, eager, shape in zip(in_graph, results(loc, log_scale), shapes):
        assert graph.dtype == dtype and graph.shape == shape
        np.testing.assert_allclose(graph, eager, rtol=1e-5)


def test_precision_is_that_of_the_parameter_that_has_one():
    double = tf.constant(0.0, tf.float64)
    assert DiscretizedLogistic(1.0, double).dtype == tf.float64
    assert DiscretizedLogistic(double, 1.0).dtype == tf.float64
    assert DiscretizedLogistic(np.zeros(3), 1.0).dtype == tf.float64
    assert DiscretizedLogistic(1, 1.0).dtype == tf.float32


def test_parameter_properties_give_the_batch_shape_and_its_slices():
    likelihood = DiscretizedLogistic(tf.zeros([4, 1]), tf.zeros([3]))
    assert set(DiscretizedLogistic.parameter_properties()) == {"loc", "log_scale"}
    assert likelihood.batch_shape == (4, 3)
    assert likelihood[1:3].batch_shape == (2, 3)
    assert likelihood.event_shape == ()


def test_different_draws_of_one_call_differ():
    samples = (
        DiscretizedLogistic(tf.fill([100], 128.0), 3.0).sample(seed=(0, 1)).numpy()
    )
    assert len(np.unique(samples)) > 20


def test_number_of_levels_must_divide_256():
    with pytest.raises(InputError, match="`num_color_levels` must divide 256.*got 48"):
        DiscretizedLogistic(0.0, 0.0, num_color_levels=48)


def test_agrees_with_openai_iaf_but_for_its_floor():
    stem = "discretized_logistic_a"
    golden = load(stem)
    mean = golden["mean"].astype(np.float64)
    log_scale = golden["logscale"].astype(np.float64)[:, None, None, None, None]
    loc = tf.constant(256 * mean + 128 + np.zeros_like(log_scale))
    with tf.GradientTape() as tape:
        tape.watch(loc)
        log_prob = DiscretizedLogistic(
            loc, log_scale + np.log(256), open_tails=False
        ).log_prob(golden["x_u8"].astype(np.float64))
    ours = np.exp(log_prob.numpy())
    original = np.exp(golden["f64:log_p_per_subpixel"])
    deviation = np.abs(ours - (original - 1e-7)).max()
    report(stem, "probability less the floor, float64", deviation, 1e-9)
    deviation = np.abs(ours - np.exp(golden["log_p_per_subpixel"])).max()
    report(stem, "probability", deviation, 3e-7)
    # d ln(P + 1e-7) is d ln P times P / (P + 1e-7); a unit of the mean is 256 levels.
    gradient = 256 * tape.gradient(log_prob, loc).numpy() * ours / (ours + 1e-7)
    expected = golden["f64:grad_mean"]
    deviation = np.abs(gradient - expected).max() / np.abs(expected).max()
    report(stem, "gradient with the floor (of the largest)", deviation, 1e-3)


def test_openai_iafs_formula_in_float64_is_the_golden_one():
    golden = load("discretized_logistic_a")
    scale = np.exp(golden["logscale"].astype(np.float64))[:, None, None, None, None]
    x, mean = (golden[key].astype(np.float64) for key in ("x_scaled", "mean"))
    lower = (np.floor(x * 256) / 256 - mean) / scale
    mass = special.expit(lower + 1 / 256 / scale) - special.expit(lower)
    log_p = np.log(mass + 1e-7)
    np.testing.assert_allclose(log_p, golden["f64:log_p_per_subpixel"], rtol=1e-9)
    np.testing.assert_allclose(log_p.sum((2, 3, 4)), golden["f64:log_p"], rtol=1e-9)
