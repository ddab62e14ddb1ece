"""The likelihood of the auxiliary image."""

import numpy as np
import pytest
import tensorflow as tf
from distribution_checks import (
    check_finite_with_gradient,
    check_frequencies,
    check_probabilities_sum_to_one,
)
from golden_file import load, report
from scipy import special

from agave_tf.distributions.discretized_logistic import DiscretizedLogistic
from agave_tf.input_error import InputError

LEVELS = [256, 128, 8, 2]
LOCS = np.array([-1e6, -300.0, -0.5, 0.0, 17.3, 128.0, 255.9, 300.0, 1e6])
SCALES = np.array([1e-4, 1e-2, 0.3, 1.0, 20.0, 1e4])


def values_of(num_color_levels):
    width = 256 // num_color_levels
    return np.arange(num_color_levels) * width + (width - 1) / 2


def log_mass_in_float64(loc, scale, num_color_levels, open_tails):
    """Eq. 10 from scipy's expit, through whichever tail loses no digits."""
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


def test_outside_the_support_is_minus_infinity_without_nan_in_the_gradient():
    outside = tf.constant([-1.0, -1e-3, 256.0, 1e9])
    loc = tf.constant(100.0)
    with tf.GradientTape() as tape:
        tape.watch(loc)
        log_prob = DiscretizedLogistic(loc, 1.0).log_prob(outside)
    assert (log_prob.numpy() == -np.inf).all()
    assert np.isfinite(tape.gradient(log_prob, loc).numpy())


@pytest.mark.parametrize("open_tails", [True, False])
@pytest.mark.parametrize("loc,scale", [(100.0, 10.0), (3.0, 20.0), (250.0, 60.0)])
@pytest.mark.parametrize("num_color_levels", [256, 8])
def test_samples_agree_with_log_prob(num_color_levels, loc, scale, open_tails):
    likelihood = DiscretizedLogistic(loc, np.log(scale), num_color_levels, open_tails)
    values = values_of(num_color_levels).astype(np.float32)
    probabilities = np.exp(likelihood.log_prob(values).numpy().astype(np.float64))
    probabilities /= probabilities.sum()
    samples = likelihood.sample(100_000, seed=3).numpy()
    check_frequencies(samples, values, probabilities)


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


def test_different_draws_of_one_call_differ():
    samples = DiscretizedLogistic(tf.fill([100], 128.0), 3.0).sample(seed=1).numpy()
    assert len(np.unique(samples)) > 20


def test_number_of_levels_must_divide_256():
    with pytest.raises(InputError, match="`num_color_levels` must divide 256.*got 48"):
        DiscretizedLogistic(0.0, 0.0, num_color_levels=48)


def test_agrees_with_openai_iaf_but_for_its_floor():
    stem = "discretized_logistic_a"
    golden = load(stem)
    mean = golden["mean"].astype(np.float64)
    log_scale = golden["logscale"].astype(np.float64)[:, None, None, None, None]
    likelihood = DiscretizedLogistic(
        tf.constant(256 * mean + 128), tf.constant(log_scale + np.log(256)), 256, False
    )
    log_prob = likelihood.log_prob(tf.constant(golden["x_u8"], tf.float64)).numpy()
    original = np.exp(golden["f64:log_p_per_subpixel"])
    deviation = np.abs(np.exp(log_prob) - (original - 1e-7)).max()
    report(stem, "probability less the floor, float64", deviation, 1e-9)
    deviation = np.abs(np.exp(log_prob) - np.exp(golden["log_p_per_subpixel"])).max()
    report(stem, "probability", deviation, 3e-7)
