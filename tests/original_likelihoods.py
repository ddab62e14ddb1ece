"""The likelihoods of the originals, with their approximated tails.

Written from the formulae in their code, in TensorFlow so that gradients pass through.
The results have the inputs' dtype.
"""

import numpy as np
import tensorflow as tf


def mixture_loss(x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
    """-ln p(x) per pixel [N,H,W], discretized_mix_logistic_loss of openai/pixel-cnn."""
    k = parameters.shape[-1] // 10
    logits = parameters[..., :k]
    rest = tf.reshape(parameters[..., k:], [*x.shape, 3 * k])
    log_scales = tf.maximum(rest[..., k : 2 * k], -7.0)
    c = tf.tanh(rest[..., 2 * k :])
    x = x[..., None]
    means = tf.stack(
        [
            rest[..., 0, :k],
            rest[..., 1, :k] + c[..., 0, :] * x[..., 0, :],
            rest[..., 2, :k]
            + c[..., 1, :] * x[..., 0, :]
            + c[..., 2, :] * x[..., 1, :],
        ],
        axis=-2,
    )
    inverse = tf.exp(-log_scales)
    plus = inverse * (x - means + 1 / 255)
    minus = inverse * (x - means - 1 / 255)
    middle = inverse * (x - means)
    delta = tf.sigmoid(plus) - tf.sigmoid(minus)
    density = middle - log_scales - 2 * tf.nn.softplus(middle) - np.log(127.5)
    inner = tf.where(delta > 1e-5, tf.math.log(tf.maximum(delta, 1e-12)), density)
    log_probs = tf.where(
        x < -0.999,
        plus - tf.nn.softplus(plus),
        tf.where(x > 0.999, -tf.nn.softplus(minus), inner),
    )
    joint = tf.reduce_sum(log_probs, -2) + tf.nn.log_softmax(logits)
    return -tf.reduce_logsumexp(joint, -1)


def is_in_body(x: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """bool [N,H,W]: whether the original's approximation affects no component."""
    k = parameters.shape[-1] // 10
    rest = parameters[..., k:].astype(np.float64).reshape(*x.shape, 3 * k)
    x = x.astype(np.float64)[..., None]
    c = np.tanh(rest[..., 2 * k :])
    means = rest[..., :k].copy()
    means[..., 1, :] += c[..., 0, :] * x[..., 0, :]
    means[..., 2, :] += c[..., 1, :] * x[..., 0, :] + c[..., 2, :] * x[..., 1, :]
    inverse = np.exp(-np.maximum(rest[..., k : 2 * k], -7))

    def cdf(v):
        return 0.5 * (1 + np.tanh(v / 2))

    delta = cdf(inverse * (x - means + 1 / 255)) - cdf(inverse * (x - means - 1 / 255))
    is_edge = np.abs(x) > 0.999
    return ((delta > 1e-5) | is_edge).all(axis=(-2, -1))


def discretized_logistic(
    mean: tf.Tensor, log_scale: tf.Tensor, x: tf.Tensor
) -> tf.Tensor:
    """ln p per sub-pixel of openai/iaf, on the axis from -.5 to .5."""
    scale = tf.exp(log_scale)
    lower = (tf.floor(x * 256) / 256 - mean) / scale
    difference = tf.sigmoid(lower + 1 / 256 / scale) - tf.sigmoid(lower)
    return tf.math.log(difference + 1e-7)
