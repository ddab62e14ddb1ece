"""The terms of the objective, Eq. 6 and 7 of Lucas & Verbeek 2018.

L = ln p(x|z) + ln p(y|z) - lambda * KL(q(z|x) || p(z))

Each model (models/image_model.py) adds up its own: `objective` and `bound`.
"""

from typing import NamedTuple

import tensorflow as tf


class VAETerms(NamedTuple):
    """The terms of the VAE alone for one draw of z for each image, nats."""

    auxiliary_reconstruction: tf.Tensor  # [B] ln p(y|z)
    kl: tf.Tensor  # [B] ln q(z|x) - ln p(z), true and unweighted
    kl_objective: tf.Tensor  # [B] kl with free bits
    kl_per_level: tf.Tensor  # [B,L] kl of every level, from the top


class PixelCNNTerms(NamedTuple):
    """The term of the PixelCNN++ alone for each image, nats."""

    primary_reconstruction: tf.Tensor  # [B] ln p(x)


class AGAVETerms(NamedTuple):
    """The terms of AGAVE for one draw of z for each image, nats."""

    primary_reconstruction: tf.Tensor  # [B] ln p(x|z)
    auxiliary_reconstruction: tf.Tensor  # [B] ln p(y|z)
    kl: tf.Tensor  # [B] ln q(z|x) - ln p(z), true and unweighted
    kl_objective: tf.Tensor  # [B] kl with free bits
    kl_per_level: tf.Tensor  # [B,L] kl of every level, from the top


Terms = VAETerms | PixelCNNTerms | AGAVETerms


def free_bits(kl: tf.Tensor, kl_min: float) -> tf.Tensor:
    """KL with a floor under what each latent channel costs (Kingma et al. 2016, C.8).

    The mean over the batch is sum_c max(mean_b kl[b,c], kl_min), as in openai/iaf, but
    given per image: a channel below the floor counts kl_min for every image, without
    gradient. Under replicas the mean is over the global batch.

    Args:
      kl: [B,z_channels] nats of one level, summed over positions.
      kl_min: nats; 0 gives the plain sum.

    Returns:
      [B] nats.
    """
    if kl_min == 0:
        return tf.reduce_sum(kl, axis=-1)
    mean = tf.stop_gradient(tf.reduce_mean(kl, axis=0))
    replica = tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:
        mean = replica.all_reduce(tf.distribute.ReduceOp.MEAN, mean)
    return tf.reduce_sum(tf.where(mean > kl_min, kl, kl_min), axis=-1)
