"""The importance-weighted bound.

Burda et al. 2016, "Importance Weighted Autoencoders", Eq. 8.
"""

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
