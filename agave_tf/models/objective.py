"""The objective, Eq. 6 and 7 of Lucas & Verbeek 2018, from its terms.

L = ln p(x|z) + ln p(y|z) - lambda * KL(q(z|x) || p(z))
"""

import math
from typing import NamedTuple, Protocol

import tensorflow as tf


class BoundTerms(Protocol):
    """The terms that a bound is made of, tensors or arrays of one shape, nats."""

    @property
    def primary_reconstruction(self) -> tf.Tensor: ...

    @property
    def auxiliary_reconstruction(self) -> tf.Tensor: ...

    @property
    def kl(self) -> tf.Tensor: ...


class AGAVETerms(NamedTuple):
    """The terms for one draw of z for each image, nats; zero for a missing part."""

    primary_reconstruction: tf.Tensor  # [B] ln p(x|z)
    auxiliary_reconstruction: tf.Tensor  # [B] ln p(y|z)
    kl: tf.Tensor  # [B] ln q(z|x) - ln p(z), true and unweighted
    kl_objective: tf.Tensor  # [B] kl with free bits
    kl_per_level: tf.Tensor  # [B,L] kl of every level, from the top


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


def objective(
    terms: AGAVETerms, auxiliary_weight: float, kl_weight: float | tf.Tensor
) -> tf.Tensor:
    """The quantity that training maximises, [B] nats.

    Eq. 7 with auxiliary_weight 1 and kl_weight lambda; Eq. 6 with 0 and 1.
    """
    return (
        terms.primary_reconstruction
        + auxiliary_weight * terms.auxiliary_reconstruction
        - kl_weight * terms.kl_objective
    )


def elbo(terms: BoundTerms) -> tf.Tensor:
    """The bound on ln p(x), Eq. 6, [B] nats: no auxiliary term, KL unweighted."""
    return terms.primary_reconstruction - terms.kl


def auxiliary_elbo(terms: BoundTerms) -> tf.Tensor:
    """The bound on ln p(y), [B] nats, that the VAE alone is judged by."""
    return terms.auxiliary_reconstruction - terms.kl


def count_dims(shape: tuple[int, int, int]) -> int:
    """Sub-pixels of an image (H,W,C), the dimensions of bits/dim."""
    return math.prod(shape)
