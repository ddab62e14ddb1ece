"""The importance-weighted bound, and the unit in which likelihoods are shown.

Burda et al. 2016, "Importance Weighted Autoencoders", Eq. 8.
"""

import math
from typing import Any

import tensorflow as tf


def importance_weighted_bound(log_weights: tf.Tensor) -> tf.Tensor:
    """Computes a lower bound on ln p(x), [B] nats: ln of the mean importance weight.

    With S = 1 it is the ELBO's sample; its expectation grows with S.

    Args:
      log_weights: [B,S] nats, ln p(x|z_s) + ln p(z_s) - ln q(z_s|x).
    """
    log_weights = tf.convert_to_tensor(log_weights)
    num_samples = tf.cast(tf.shape(log_weights)[-1], log_weights.dtype)
    return tf.reduce_logsumexp(log_weights, axis=-1) - tf.math.log(num_samples)


def bits_per_dim(nats: Any, num_dims: int) -> Any:
    """Converts a log-likelihood to bits per sub-pixel, -nats / (num_dims ln 2).

    Args:
      nats: a number, or an array of NumPy or TensorFlow.
      num_dims: number of sub-pixels, H*W*C.
    """
    return -nats / (num_dims * math.log(2))
