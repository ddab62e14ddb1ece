"""The likelihood of a pixel."""

import itertools

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
from original_likelihoods import is_in_body, mixture_loss
from scipy import special

from agave_tf.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
    num_parameters,
)
from agave_tf.errors import InputError
from agave_tf.pixel_scale import to_levels, to_unit_range

LEVELS = ((np.arange(256) - 127.5) / 127.5).astype(np.float32)


def parameters_of(shape, num_channels, num_mixtures, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    size = num_parameters(num_channels, num_mixtures)
    return (scale * rng.normal(size=(*shape, size))).astype(np.float32)


def log_prob_in_float64(x, parameters, num_channels):
    """Eq. 2 and 3 of Salimans et al. for one pixel, component by component."""
    fields = 3 if num_channels == 3 else 2
    k = len(parameters) // (1 + fields * num_channels)
    logits, rest = parameters[:k], parameters[k:].reshape(num_channels, fields, k)
    total = 0.0
    for i, weight in enumerate(special.softmax(logits)):
        mass = weight
        for c in range(num_channels):
            mean, scale = rest[c, 0, i], np.exp(max(rest[c, 1, i], -7))
            if num_channels == 3 and c == 1:
                mean += np.tanh(rest[0, 2, i]) * x[0]
            if num_channels == 3 and c == 2:
                mean += np.tanh(rest[1, 2, i]) * x[0] + np.tanh(rest[2, 2, i]) * x[1]
            upper = (
                1.0 if x[c] > 0.999 else special.expit((x[c] + 1 / 255 - mean) / scale)
            )
            lower = (
                0.0 if x[c] < -0.999 else special.expit((x[c] - 1 / 255 - mean) / scale)
            )
            mass *= upper - lower
        total += mass
    return np.log(total)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_log_prob_is_the_mixture_of_products(num_channels):
    parameters = parameters_of((50,), num_channels, 4)
    rng = np.random.default_rng(1)
    x = rng.choice(LEVELS, size=(50, num_channels))
    x[:5], x[5:10] = -1, 1
    ours = DiscretizedLogisticMixture(parameters, num_channels).log_prob(x).numpy()
    expected = [
        log_prob_in_float64(a.astype(np.float64), b.astype(np.float64), num_channels)
        for a, b in zip(x, parameters, strict=True)
    ]
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_probabilities_of_all_levels_of_a_gray_pixel_sum_to_one(scale):
    parameters = parameters_of((20,), 1, 5, scale=scale)
    likelihood = DiscretizedLogisticMixture(parameters, 1)
    log_probs = likelihood.log_prob(
        np.broadcast_to(LEVELS[:, None, None], (256, 20, 1))
    )
    check_probabilities_sum_to_one(log_probs)


def test_probabilities_of_all_colours_sum_to_one():
    # All 256**3 colours, one level of red at a time.
    parameters = parameters_of((), 3, 2, seed=4)
    likelihood = DiscretizedLogisticMixture(parameters, 3)
    total = 0.0
    for red in LEVELS:
        colours = np.stack(
            np.broadcast_arrays(red, LEVELS[:, None], LEVELS[None, :]), axis=-1
        )
        total += float(tf.reduce_sum(tf.exp(likelihood.log_prob(colours))))
    np.testing.assert_allclose(total, 1.0, atol=1e-4)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_samples_agree_with_log_prob(num_channels):
    parameters = parameters_of((), num_channels, 3, seed=2)
    likelihood = DiscretizedLogisticMixture(parameters, num_channels)
    samples = likelihood.sample(100_000, seed=(0, 5)).numpy()
    # Red is the first channel: a gray mixture of its own parameters is its marginal.
    marginal = parameters if num_channels == 1 else parameters[:9]
    red = DiscretizedLogisticMixture(marginal, 1).log_prob(LEVELS[:, None]).numpy()
    index = np.rint((samples[:, 0] + 1) * 127.5)
    check_frequencies(index, np.arange(256), np.exp(red.astype(np.float64)))


def test_samples_of_green_and_blue_depend_on_red_as_log_prob_says():
    # Narrow logistics make few colours likely; these can all be enumerated.
    parameters = np.zeros(10, np.float32)
    parameters[1:] = np.array(
        [[0.1, -5.5, 1.0], [0.0, -5.5, 2.0], [-0.1, -5.5, -1.0]]
    ).ravel()
    likelihood = DiscretizedLogisticMixture(parameters, 3)
    samples = likelihood.sample(50_000, seed=(0, 6)).numpy()
    index = np.rint((samples + 1) * 127.5).astype(int)
    ranges = [range(index[:, c].min(), index[:, c].max() + 1) for c in range(3)]
    colours = np.array(list(itertools.product(*ranges)))
    log_prob = likelihood.log_prob(LEVELS[colours]).numpy().astype(np.float64)
    assert np.exp(log_prob).sum() > 0.999

    def code(c):
        return (c[..., 0] * 256 + c[..., 1]) * 256 + c[..., 2]

    likely = np.argsort(log_prob)[-40:]
    counts = (code(index)[:, None] == code(colours[likely])).sum(axis=0)
    p = np.exp(log_prob[likely])
    # 40 colours, n = 50,000, 5 standard errors: fails falsely once in 40,000 seeds.
    error = 5 * np.sqrt(len(index) * p * (1 - p))
    assert (np.abs(counts - len(index) * p) < error + 2).all()


def test_value_and_gradient_are_finite_for_extreme_parameters():
    rng = np.random.default_rng(3)
    shape = (200, num_parameters(3, 4))
    # exp(-100) is 0 in float32, so a level has a width in log space only.
    extremes = np.array([-50.0, -7.0, -1.0, 0.0, 1.0, 8.0, 50.0, 100.0, 1e4])
    parameters = tf.constant(rng.choice(extremes, size=shape), tf.float32)
    x = rng.choice(LEVELS[[0, 1, 100, 254, 255]], size=(200, 3))
    check_finite_with_gradient(
        lambda p: DiscretizedLogisticMixture(p, 3).log_prob(x), parameters
    )


def test_a_scale_beyond_float32_still_lowers_the_log_prob_by_its_logarithm():
    log_scales = np.array([60.0, 88.0, 100.0, 1000.0], np.float32)
    parameters = np.stack([0 * log_scales, 0 * log_scales, log_scales], axis=-1)
    log_prob = DiscretizedLogisticMixture(parameters, 1).log_prob([[0.5]])
    # The level's width 2/255 times the density at the middle, 1 / (4 * s).
    expected = np.log(2 / 255) - np.log(4) - log_scales
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_outside_the_support_is_minus_infinity_without_nan_in_the_gradient(
    num_channels,
):
    x = np.zeros((6, num_channels), np.float32)
    x[:, -1] = [1.01, -1.01, 200.0, np.inf, -np.inf, np.nan]
    check_outside_is_minus_infinity(
        lambda p: DiscretizedLogisticMixture(p, num_channels).log_prob(x),
        tf.constant(parameters_of((6,), num_channels, 4)),
    )


def test_works_in_a_graph_of_unknown_shapes():
    def results(parameters):
        likelihood = DiscretizedLogisticMixture(parameters, 3)
        samples = likelihood.sample(5, seed=(0, 1))
        return samples, likelihood.log_prob(samples)

    parameters = tf.constant(parameters_of((2, 3, 4), 3, 2))
    unknown = [tf.TensorSpec([None, None, None, 20])]
    in_graph = tf.function(results, input_signature=unknown)(parameters)
    for graph, eager, shape in zip(
        in_graph, results(parameters), [(5, 2, 3, 4, 3), (5, 2, 3, 4)]
    ):
        assert graph.shape == shape
        np.testing.assert_allclose(graph, eager, rtol=1e-5, atol=1e-6)


def test_parameters_must_go_with_one_or_three_channels():
    with pytest.raises(InputError, match="`num_channels` must be 1 or 3; got 2"):
        DiscretizedLogisticMixture(tf.zeros([2, 10]), 2)
    with pytest.raises(InputError, match="`parameters`.*multiple of 10.*got 31"):
        DiscretizedLogisticMixture(tf.zeros([2, 31]), 3)


@pytest.mark.parametrize("stem", ["mixture_logistic_loss_a", "mixture_logistic_loss_b"])
def test_equals_the_original_but_for_its_approximated_part(stem):
    golden = load(stem)
    x, parameters = golden["x"], golden["l"]
    # Our writing of the original's formula is the original's.
    written = mixture_loss(
        tf.constant(x, tf.float64), tf.constant(parameters, tf.float64)
    ).numpy()
    deviation = np.abs(written / golden["f64:loss_per_pixel"] - 1).max()
    report(stem, "its formula in float64 (relative)", deviation, 1e-9)
    body = is_in_body(x, parameters)
    assert 0.2 < body.mean() < 1
    p = tf.constant(parameters)
    with tf.GradientTape() as tape:
        tape.watch(p)
        loss = -DiscretizedLogisticMixture(p, 3).log_prob(x)
    expected = golden["f64:loss_per_pixel"]
    deviation = np.abs(loss.numpy() / expected - 1)[body].max()
    report(stem, "loss in the body (relative)", deviation, 1e-5)
    total = loss.numpy().astype(np.float64)[body].sum() / expected[body].sum() - 1
    report(stem, "summed loss in the body (relative)", abs(total), 1e-5)
    gradient, expected = tape.gradient(loss, p).numpy(), golden["f64:grad_l"]
    deviation = np.abs(gradient - expected)[body].max() / np.abs(expected[body]).max()
    report(stem, "gradient in the body (of the largest)", deviation, 1e-3)


def test_sampling_with_given_noise_equals_the_original():
    golden = load("mixture_logistic_sample_a")
    likelihood = DiscretizedLogisticMixture(golden["l"], 3)
    noise = golden["u_mix"], golden["u_logistic"]
    continuous = likelihood.sample_given_noise(*noise, snap_to_levels=False)
    deviation = np.abs(continuous - golden["sample"]).max()
    report("mixture_logistic_sample_a", "sample", deviation, 1e-3)


def test_chosen_components_are_the_originals():
    golden = load("mixture_logistic_sample_a")
    # The original's logits, but narrow components apart: red tells which was drawn.
    k = 5
    means = np.linspace(-0.8, 0.8, k, dtype=np.float32)
    rest = np.zeros((*golden["l"].shape[:-1], 3, 3 * k), np.float32)
    rest[..., :k], rest[..., k : 2 * k] = means, -7
    parameters = np.concatenate(
        [golden["l"][..., :k], rest.reshape(*rest.shape[:-2], 9 * k)], axis=-1
    )
    noise = golden["u_mix"], golden["u_logistic"]
    red = DiscretizedLogisticMixture(parameters, 3).sample_given_noise(*noise)[..., 0]
    index = np.abs(red.numpy()[..., None] - means).argmin(axis=-1)
    np.testing.assert_array_equal(index, golden["mix_index"])


def test_snapped_samples_are_bit_for_bit_what_images_become():
    parameters = parameters_of((2000,), 3, 3, scale=1.0)
    samples = DiscretizedLogisticMixture(parameters, 3).sample(seed=(0, 1))
    assert len(np.unique(samples)) > 200
    np.testing.assert_array_equal(to_unit_range(to_levels(samples)), samples)


def test_snapped_samples_are_levels_and_condition_the_next_channel_as_levels():
    golden = load("mixture_logistic_sample_a")
    likelihood = DiscretizedLogisticMixture(golden["l"], 3)
    noise = golden["u_mix"], golden["u_logistic"]
    snapped = likelihood.sample_given_noise(*noise).numpy()
    continuous = likelihood.sample_given_noise(*noise, snap_to_levels=False).numpy()
    off = np.abs((snapped + 1) * 127.5 - np.rint((snapped + 1) * 127.5))
    assert off.max() < 1e-4
    half = 1 / 255 + 1e-6
    assert np.abs(snapped - continuous)[..., 0].max() <= half
    # Green moves by its own rounding and by c0 times that of red, |c0| < 1.
    assert half < np.abs(snapped - continuous)[..., 1].max() <= 2 * half


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_one_after_the_other_have_the_mass_of_the_pixel(channels):
    """The chain rule: a coder codes channel by channel what log_prob scores at once."""
    rng = np.random.default_rng(channels)
    shape = [50, num_parameters(channels, 4)]
    parameters = rng.normal(0, 1, shape)
    likelihood = DiscretizedLogisticMixture(tf.constant(parameters), channels)
    level = rng.integers(0, 256, [50, channels])
    level[:3] = [[0] * channels, [255] * channels, [1] * channels]
    x = tf.constant((level - 127.5) / 127.5)
    total = 0.0
    for channel in range(channels):
        mixture = likelihood.given_channels(list(tf.unstack(x, axis=-1)[:channel]))
        edges = np.stack([level[:, channel], level[:, channel] + 1], axis=-1)
        below = mixture.mass_below(tf.constant(edges)).numpy()
        below = np.where(edges == 0, 0, np.where(edges == 256, 1, below))
        total += np.log(below[:, 1] - below[:, 0])
    np.testing.assert_allclose(total, likelihood.log_prob(x), rtol=1e-6, atol=1e-6)
