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


def real_only(is_real: tf.Tensor | None, x: tf.Tensor) -> tf.Tensor:
    """x [B,h,w,c], zero at positions of padding.

    Args:
      is_real: bool [1,h,w,1], positions of the image; None: all of them.
      x: [B,h,w,c].
    """
    return x if is_real is None else tf.where(is_real, x, 0.0)


class PosteriorSummary(NamedTuple):
    """Moments of q(z|x), and its KL from the prior."""

    mean: tf.Tensor  # [B,h,w,z_channels]
    # [B,h,w,z_channels] of z_d given the dimensions before it
    deviation: tf.Tensor
    # [B,h,w,z_channels] nats, from the prior; only the sum is sure to be positive
    kl: tf.Tensor


class GaussianPosterior:
    """q(z|x) of B images at one level: independent normal distributions, float32.

    Args:
      base: the distribution of z, [B,h,w,z_channels].
    """

    def __init__(self, base: tfp.distributions.Normal):
        self.base = base

    def draw(self, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z and ln q(z|x), each [B,h,w,z_channels].

        Args:
          noise: standard normal, [B,h,w,z_channels].
        """
        z = self.base.loc + self.base.scale * noise
        return z, self.base.log_prob(z)

    def flow(self, base: tf.Tensor) -> tf.Tensor:
        """Maps base values to z, [B,h,w,z_channels]; here they are the same."""
        return base

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """Computes ln q(z|x) [B,h,w,z_channels]."""
        return self.base.log_prob(z)

    def score(self, z: tf.Tensor) -> tf.Tensor:
        """Computes the gradient of ln q(z|x) by z, [B,h,w,z_channels]."""
        with tf.GradientTape() as tape:
            tape.watch(z)
            log_q = self.log_prob(z)
        return tape.gradient(log_q, z)

    def summary(
        self,
        prior: tfp.distributions.Normal,
        noise: tf.Tensor,
        is_real: tf.Tensor | None = None,
    ) -> PosteriorSummary:
        """Computes the mean, the deviations and the KL of q(z|x).

        Args:
          prior: p(z), [B,h,w,z_channels].
          noise: standard normal [S,h,w,z_channels], S draws that all images share; not
            needed without a flow.
          is_real: bool [1,h,w,1], positions that are not of padding, which cost
            nothing; None: all of them.
        """
        del noise
        kl = real_only(is_real, tfd.kl_divergence(self.base, prior))
        return PosteriorSummary(self.base.loc, self.base.scale, kl)


class IAFPosterior(GaussianPosterior):
    """q(z|x) with one inverse-autoregressive step from the base values to z.

        z_d = (base_d - shift_d) * exp(-log_scale_d)

    shift_d and log_scale_d depend on the base values before d, so z_d is normal given
    those.

    Args:
      base: the distribution of the base values, [B,h,w,z_channels].
      network: gives shift and log_scale.
      context: [B,h,w,hidden_channels], of `network`.
    """

    def __init__(
        self,
        base: tfp.distributions.Normal,
        network: AutoregressiveNetwork,
        context: tf.Tensor,
    ):
        super().__init__(base)
        self._network, self._context = network, context

    def draw(self, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        base, log_base = super().draw(noise)
        shift, log_scale = self._shift_and_log_scale(base)
        return (base - shift) * tf.exp(-log_scale), log_base + log_scale

    def flow(self, base: tf.Tensor) -> tf.Tensor:
        shift, log_scale = self._shift_and_log_scale(base)
        return (base - shift) * tf.exp(-log_scale)

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """Computes ln q(z|x) [B,h,w,z_channels] nearly: the step is undone nearly."""
        base = z
        for _ in range(_INVERSE_PASSES):
            shift, log_scale = self._shift_and_log_scale(base)
            base = z * tf.exp(log_scale) + shift
        return self.base.log_prob(base) + self._shift_and_log_scale(base)[1]

    def summary(
        self,
        prior: tfp.distributions.Normal,
        noise: tf.Tensor,
        is_real: tf.Tensor | None = None,
    ) -> PosteriorSummary:
        """Estimates the mean, the deviations and the KL of q(z|x) from draws.

        z_d is normal given the base values before d, so the mean is that of the means
        of these normal distributions (Rao-Blackwell), which converges far sooner than
        that of z itself. Arguments as in the base class.
        """

        def summary_of_draw(
            noise: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            base = self.base.loc + self.base.scale * noise
            shift, log_scale = self._shift_and_log_scale(base)
            shrink = tf.exp(-log_scale)
            mean = (self.base.loc - shift) * shrink
            z = (base - shift) * shrink
            log_q = self.base.log_prob(base) + log_scale
            kl = real_only(is_real, log_q - prior.log_prob(z))
            return mean, tf.square(self.base.scale * shrink), kl

        zeros = tf.zeros_like(self.base.loc)
        sums = tf.foldl(
            lambda total, draw: tuple(
                a + b for a, b in zip(total, summary_of_draw(draw))
            ),
            real_only(is_real, noise),
            (zeros, zeros, zeros),
        )
        count = tf.cast(tf.shape(noise)[0], tf.float32)
        mean, variance, kl = (total / count for total in sums)
        return PosteriorSummary(mean, tf.sqrt(variance), kl)

    def _shift_and_log_scale(self, base: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The parameters of the step, each [B,h,w,z_channels]."""
        output = self._network(tf.cast(base, self._context.dtype), self._context)
        shift, log_scale = (BRANCH_SCALE * tf.cast(x, tf.float32) for x in output)
        return shift, log_scale
