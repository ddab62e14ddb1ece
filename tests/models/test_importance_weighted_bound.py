"""The bound, and bits/dim."""

import math

import numpy as np
import tensorflow as tf
from golden_file import load, report
from scipy import special, stats

from agave_tf.evaluation.image_scores import importance_weighted_bound
from agave_tf.models.parts import bits_per_dim


def test_equals_openai_iafs_bound():
    golden = load("compute_lowerbound_a")
    for case in ("typical", "close", "spread"):
        for k in (1, 5):
            key = f"{case}_k{k}"
            weights = golden[f"lp:{key}"] - golden[f"kl:{key}"]
            ours = -importance_weighted_bound(weights.reshape(-1, k)).numpy()
            deviation = np.abs(ours / golden[f"out:{key}"] - 1).max()
            report("compute_lowerbound_a", f"{key} (relative)", deviation, 1e-5)


def test_one_sample_is_the_elbos_sample():
    weights = tf.constant([[-3.0], [-1e4], [2.0]])
    np.testing.assert_array_equal(importance_weighted_bound(weights), weights[:, 0])


def test_is_the_log_of_the_mean_weight_and_survives_underflow():
    weights = np.random.default_rng(0).normal(-5000, 30, size=(7, 11))
    expected = special.logsumexp(weights, axis=1) - math.log(11)
    ours = importance_weighted_bound(tf.constant(weights))
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def linear_gaussian_weights(num_samples, num_images=4000, seed=0):
    """x = z + e with z, e ~ N(0,1); q(z|x) = N(x/2, 1), too wide on purpose.

    ln p(x) = ln N(x; 0, sqrt 2) in closed form.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(0, math.sqrt(2), size=(num_images, 1))
    z = x / 2 + rng.normal(size=(num_images, num_samples))
    log_weights = (
        stats.norm.logpdf(x, z) + stats.norm.logpdf(z) - stats.norm.logpdf(z, x / 2)
    )
    return log_weights, stats.norm.logpdf(x[:, 0], 0, math.sqrt(2))


def test_grows_with_the_number_of_samples_towards_the_closed_form():
    gaps = []
    for num_samples in (1, 4, 16, 64, 1024):
        log_weights, exact = linear_gaussian_weights(num_samples)
        gap = exact - importance_weighted_bound(tf.constant(log_weights)).numpy()
        gaps.append(gap.mean())
        # A lower bound in expectation: 4 standard errors, false fail 3e-5.
        assert gap.mean() > -4 * gap.std() / math.sqrt(len(gap))
    assert gaps == sorted(gaps, reverse=True)
    # KL(q||p(z|x)) = ln(1/s) + s**2/2 - 1/2 over p's variance 1/2, s = 1: 0.1534 nats.
    assert abs(gaps[0] - 0.1534) < 0.02
    assert gaps[-1] < 1e-3


def test_accepts_numpy_and_keeps_its_precision():
    weights = np.array([[-1e6, -1e6 - 1e-5]])
    ours = importance_weighted_bound(weights).numpy()
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours + 1e6, [-0.5e-5], rtol=1e-3)


def test_bits_per_dim_of_a_fair_byte_is_eight():
    nats = -math.log(256) * 12
    assert bits_per_dim(nats, 12) == 8
    np.testing.assert_allclose(bits_per_dim(np.array([nats, 0.0]), 12), [8, 0])
    np.testing.assert_allclose(bits_per_dim(tf.constant([nats, 0.0]), 12), [8, 0])
