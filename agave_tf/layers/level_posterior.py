"""q(z|x) of one latent level: a normal distribution and an inverse-autoregressive step.

Kingma et al. 2016, "Improving Variational Inference with Inverse Autoregressive Flow",
Algorithm 1, with one step, as openai/iaf `tf_train.py` has it.
"""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.layers.masked_convolution import AutoregressiveNetwork
from agave_tf.probability import tfp

tfd = tfp.distributions

# Residual branches and the flow's outputs are scaled by this (openai/iaf tf_train.py).
BRANCH_SCALE = 0.1
# Passes of the flow's network that undo its step. Each makes those dimensions exact
# whose base values depend on exact ones alone; the rest come near, as they depend on
# one another little.
_INVERSE_PASSES = 4


class PosteriorSummary(NamedTuple):
    """What is known of q(z|x) without a z."""

    mean: tf.Tensor  # [B,h,w,z_channels]
    # [B,h,w,z_channels] of z_d given the dimensions before it
    deviation: tf.Tensor
    kl: tf.Tensor  # [B] nats, from the prior, of all dimensions together


class LevelPosterior(NamedTuple):
    """q(z|x) of B images; z_d is normal given the base values before d, all float32.

    base: the distribution of the base values, [B,h,w,z_channels].
    flow: the network of the step from base values to z; None: z are the base values.
    context: [B,h,w,hidden_channels], of `flow`.
    """

    base: tfp.distributions.Normal
    flow: AutoregressiveNetwork | None
    context: tf.Tensor | None

    def draw(self, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """z from standard normal noise, and ln q(z|x), each [B,h,w,z_channels]."""
        base = self.base.loc + self.base.scale * noise
        log_q = self.base.log_prob(base)
        if self.flow is None:
            return base, log_q
        z, log_determinant = self.step(base)
        return z, log_q + log_determinant

    def step(self, base: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """z, and what the step adds to ln q, each [B,h,w,z_channels]."""
        shift, log_scale = self._shift_and_log_scale(base)
        return (base - shift) * tf.exp(-log_scale), log_scale

    def summary(
        self, prior: tfp.distributions.Normal, noise: tf.Tensor
    ) -> PosteriorSummary:
        """Mean, deviations and KL of q(z|x); with a flow, estimated from draws.

        z_d is normal given the base values before it, so the mean is that of the means
        of these normal distributions (Rao-Blackwell), which converges far sooner than
        that of z itself.

        Args:
          prior: p(z), [B,h,w,z_channels].
          noise: standard normal [S,h,w,z_channels], S draws that all images share.
        """

        def of_draw(noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            base = self.base.loc + self.base.scale * noise
            shift, log_scale = self._shift_and_log_scale(base)
            shrink = tf.exp(-log_scale)
            mean = (self.base.loc - shift) * shrink
            z = (base - shift) * shrink
            log_q = self.base.log_prob(base) + log_scale
            kl = tf.reduce_sum(log_q - prior.log_prob(z), axis=[1, 2, 3])
            return mean, tf.square(self.base.scale * shrink), kl

        if self.flow is None:
            kl = tf.reduce_sum(tfd.kl_divergence(self.base, prior), axis=[1, 2, 3])
            return PosteriorSummary(self.base.loc, self.base.scale, kl)
        zeros = tf.zeros_like(self.base.loc)
        sums = tf.foldl(
            lambda total, draw: tuple(a + b for a, b in zip(total, of_draw(draw))),
            noise,
            (zeros, zeros, zeros[:, 0, 0, 0]),
        )
        count = tf.cast(tf.shape(noise)[0], tf.float32)
        mean, variance, kl = (total / count for total in sums)
        return PosteriorSummary(mean, tf.sqrt(variance), kl)

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """ln q(z|x) [B,h,w,z_channels]; with a flow, nearly."""
        if self.flow is None:
            return self.base.log_prob(z)
        base = z
        for _ in range(_INVERSE_PASSES):
            shift, log_scale = self._shift_and_log_scale(base)
            base = z * tf.exp(log_scale) + shift
        return self.base.log_prob(base) + self._shift_and_log_scale(base)[1]

    def score(self, z: tf.Tensor) -> tf.Tensor:
        """The gradient of ln q(z|x) with respect to z, [B,h,w,z_channels]; nearly."""
        with tf.GradientTape() as tape:
            tape.watch(z)
            log_q = self.log_prob(z)
        return tape.gradient(log_q, z)

    def _shift_and_log_scale(self, base: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Of z_d, from the base values before d, each [B,h,w,z_channels]."""
        # Where there is a flow there is a context.
        assert self.flow is not None and self.context is not None
        output = self.flow(tf.cast(base, self.context.dtype), self.context)
        shift, log_scale = (BRANCH_SCALE * tf.cast(x, tf.float32) for x in output)
        return shift, log_scale
