"""Checks that every likelihood of discrete values must pass."""

import numpy as np
import tensorflow as tf


def check_probabilities_sum_to_one(log_probs: tf.Tensor, tolerance: float = 2e-5):
    """Checks log_probs [K,...], those of all K values."""
    total = tf.reduce_sum(tf.exp(log_probs), axis=0).numpy()
    np.testing.assert_allclose(total, 1.0, atol=tolerance)


def check_frequencies(
    samples: np.ndarray, values: np.ndarray, probabilities: np.ndarray
):
    """Checks that samples [n] of a scalar have the given probabilities on `values` [K].

    Each frequency must be within 5 standard errors (plus 2 counts) of its probability.
    By the normal approximation a value fails falsely with probability 6e-7, and one run
    in 7,000 would fail falsely for 256 values if the seed were not fixed. To fix it,
    give a pair of integers: TFP's draws from a single integer depend on earlier draws.
    """
    n = len(samples)
    counts = (np.asarray(samples)[:, None] == np.asarray(values)).sum(axis=0)
    assert counts.sum() == n, "a sample is none of the values"
    error = np.sqrt(n * probabilities * (1 - probabilities))
    excess = np.abs(counts - n * probabilities) - (5 * error + 2)
    assert excess.max() < 0, (
        f"value {values[excess.argmax()]}: {counts[excess.argmax()]}"
    )


def check_outside_is_minus_infinity(function, *inputs: tf.Tensor):
    """Checks that function(*inputs), a log_prob, is -inf and its gradient finite."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        log_prob = function(*inputs)
    assert (log_prob.numpy() == -np.inf).all()
    for gradient in tape.gradient(log_prob, inputs):
        assert np.isfinite(gradient.numpy()).all()


def check_finite_with_gradient(function, *inputs: tf.Tensor):
    """Checks that function(*inputs) and its gradient are finite everywhere."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    assert np.isfinite(value.numpy()).all()
    for gradient in tape.gradient(value, inputs):
        assert np.isfinite(gradient.numpy()).all()
