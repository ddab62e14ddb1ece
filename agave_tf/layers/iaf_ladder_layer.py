"""One latent level of the IAF-VAE (Kingma et al. 2016, section 4 and Figure 3).

After `IAFLayer` of openai/iaf `tf_train.py`: a deterministic bottom-up half and a
stochastic top-down half that share the posterior.
"""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.layers.convolution import enlarge
from agave_tf.layers.level_posterior import (
    BRANCH_SCALE,
    GaussianPosterior,
    IAFPosterior,
    real_only,
)
from agave_tf.layers.masked_convolution import AutoregressiveNetwork
from agave_tf.layers.repeated import RepeatedLayer, repeated
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose
from agave_tf.probability import tfp
from agave_tf.weights.in_use import arithmetic_in_use

tfd = tfp.distributions


class BottomUp(NamedTuple):
    """A level's bottom-up features, which its posterior adds to the top-down ones."""

    mean: tf.Tensor  # [B,h,w,z_channels]
    log_scale: tf.Tensor  # [B,h,w,z_channels]
    context: tf.Tensor  # [B,h,w,hidden_channels], for the flow; without one [B,h,w,0]


class LatentSample(NamedTuple):
    """One z of a level."""

    z: tf.Tensor  # [B,h,w,z_channels], float32
    features: tf.Tensor  # [B,h',w',hidden_channels] for the next level down


class PosteriorSample(NamedTuple):
    """One draw of z ~ q(z|x) of a level, and its cost."""

    z: tf.Tensor  # [B,h,w,z_channels], float32
    features: tf.Tensor  # [B,h',w',hidden_channels] for the next level down
    kl: tf.Tensor  # [B,h,w,z_channels] nats, float32: ln q(z|x) - ln p(z) at this z


class _TopDown(NamedTuple):
    """The parts of the top-down convolution's output; the first four are float32."""

    prior_mean: tf.Tensor  # [B,h,w,z_channels]
    prior_log_scale: tf.Tensor  # [B,h,w,z_channels]
    mean: tf.Tensor  # [B,h,w,z_channels], the posterior's but for the bottom-up part
    log_scale: tf.Tensor  # [B,h,w,z_channels]
    context: tf.Tensor  # [B,h,w,hidden_channels], for the flow; without one [B,h,w,0]
    deterministic: tf.Tensor  # [B,h,w,hidden_channels]


def _conv(in_channels: int, filters: int, strides: int, name: str) -> WeightNormConv2D:
    return WeightNormConv2D(
        in_channels, filters, (3, 3), strides, "same", "exponential", 0.1, name=name
    )


class LadderLayer(RepeatedLayer):
    """One level of latents, between a bottom-up and a top-down stream of features.

    The posterior is a normal distribution; IAFLadderLayer adds a flow to it. The
    stochastic half runs by one of four methods: `sample_posterior`, `sample_prior`,
    `decode` and `initialize`.

    Args:
      hidden_channels: channels of the deterministic streams (h_size).
      z_channels: channels of the latents (z_size).
      downsample: whether the level works at half the resolution of the one below.
      recompute, num_alike, name: as RepeatedLayer takes them.
    """

    def __init__(
        self,
        hidden_channels: int,
        z_channels: int,
        downsample: bool,
        recompute: bool = False,
        num_alike: int = 1,
        name: str | None = None,
    ):
        super().__init__(name, recompute, num_alike)
        h, z = hidden_channels, z_channels
        self.architecture = (hidden_channels, z_channels, downsample)
        context = self._context_channels(h)
        self.downsample = downsample
        self._up_split = (z, z, context, h)
        self._down_split = (z, z, z, z, context, h)
        strides = 2 if downsample else 1
        self.up_in = _conv(h, sum(self._up_split), strides, "up_in")
        self.up_out = _conv(h, h, 1, "up_out")
        self.down_in = _conv(h, sum(self._down_split), 1, "down_in")
        self._add_flow(z, h)
        if downsample:
            self.down_out = WeightNormConv2DTranspose(
                h + z, h, (3, 3), gain="exponential", init_scale=0.1, name="down_out"
            )
        else:
            self.down_out = _conv(h + z, h, 1, "down_out")
        self.built = True

    @repeated
    def bottom_up(self, x: tf.Tensor) -> tuple[BottomUp, tf.Tensor]:
        """Runs the deterministic half on [B,H,W,hidden_channels], from the level below.

        Returns:
          The features for this level's posterior, and the input of the level above,
          [B,h,w,hidden_channels].
        """
        mean, log_scale, context, h = tf.split(
            self.up_in(tf.nn.elu(x)), self._up_split, axis=-1
        )
        h = self.up_out(tf.nn.elu(h))
        if self.downsample:
            x = x[:, ::2, ::2]
        return BottomUp(mean, log_scale, context), x + BRANCH_SCALE * h

    @repeated
    def sample_posterior(
        self,
        x: tf.Tensor,
        bottom_up: BottomUp,
        noise: tf.Tensor,
        is_real: tf.Tensor | None = None,
    ) -> PosteriorSample:
        """Draws z ~ q(z|x).

        Args:
          x: [B,h,w,hidden_channels], from the level above.
          bottom_up: from the method `bottom_up`.
          noise: standard normal, [B,h,w,z_channels].
          is_real: bool [1,h,w,1]. At other positions, of padding, z is the mean of the
            prior, its base value that of the posterior, and neither costs anything.
            None: all are real.
        """
        top_down = self._top_down(x)
        noise = real_only(is_real, noise)
        z, log_q = self._posterior(top_down, bottom_up).draw(noise)
        prior = self._prior(top_down)
        kl = real_only(is_real, log_q - prior.log_prob(z))
        if is_real is not None:
            z = tf.where(is_real, z, prior.loc)
        return PosteriorSample(z, self._features(x, z, top_down), kl)

    @repeated
    def sample_prior(
        self, x: tf.Tensor, noise: tf.Tensor, is_real: tf.Tensor | None = None
    ) -> LatentSample:
        """Draws z ~ p(z); arguments as for `sample_posterior`."""
        top_down = self._top_down(x)
        noise = real_only(is_real, noise)
        arithmetic = arithmetic_in_use()
        scale = arithmetic.exp(top_down.prior_log_scale)
        z = top_down.prior_mean + arithmetic.times(scale, arithmetic.precise(noise))
        return LatentSample(z, self._features(x, z, top_down))

    @repeated
    def decode(self, x: tf.Tensor, z: tf.Tensor) -> LatentSample:
        """Runs the top-down pass with this z [B,h,w,z_channels]."""
        z = arithmetic_in_use().features(z, "float32")
        return LatentSample(z, self._features(x, z, self._top_down(x)))

    def prior(self, x: tf.Tensor) -> tfp.distributions.Normal:
        """p(z) of this level, given x [B,h,w,hidden_channels] from the level above."""
        return self._prior(self._top_down(x))

    def posterior(self, x: tf.Tensor, bottom_up: BottomUp) -> GaussianPosterior:
        """q(z|x) of this level; arguments as for `sample_posterior`."""
        return self._posterior(self._top_down(x), bottom_up)

    def initialize(
        self, x: tf.Tensor, bottom_up: BottomUp, noise: tf.Tensor, from_prior: bool
    ) -> LatentSample:
        """Runs a pass that calls every convolution, for data-dependent initialisation.

        Args:
          x, bottom_up, noise: as `sample_posterior` takes them.
          from_prior: z is a draw of the prior that then passes through the flow
            (openai/iaf, mode "init"); False: z ~ q(z|x), as in training.
        """
        if not from_prior:
            z, features, _ = self.sample_posterior(x, bottom_up, noise)
            return LatentSample(z, features)
        top_down = self._top_down(x)
        z = top_down.prior_mean + tf.exp(top_down.prior_log_scale) * noise
        z = self._posterior(top_down, bottom_up).flow(z)
        return LatentSample(z, self._features(x, z, top_down))

    def _context_channels(self, hidden_channels: int) -> int:
        """Channels of the posterior's context, which a flow needs."""
        del hidden_channels
        return 0

    def _add_flow(self, z_channels: int, hidden_channels: int) -> None:
        """Makes the posterior's own layers; a normal distribution has none."""

    def _posterior_from(
        self, base: tfp.distributions.Normal, context: tf.Tensor
    ) -> GaussianPosterior:
        """q(z|x), from the distribution of its base values and the context."""
        del context
        return GaussianPosterior(base)

    def _top_down(self, x: tf.Tensor) -> _TopDown:
        arithmetic = arithmetic_in_use()
        parts = tf.split(self.down_in(arithmetic.elu(x)), self._down_split, axis=-1)
        return _TopDown(*map(arithmetic.precise, parts[:4]), *parts[4:])

    def _prior(self, top_down: _TopDown) -> tfp.distributions.Normal:
        scale = arithmetic_in_use().exp(top_down.prior_log_scale)
        return tfd.Normal(top_down.prior_mean, scale)

    def _posterior(self, top_down: _TopDown, bottom_up: BottomUp) -> GaussianPosterior:
        base = tfd.Normal(
            top_down.mean + tf.cast(bottom_up.mean, tf.float32),
            tf.exp(top_down.log_scale + tf.cast(bottom_up.log_scale, tf.float32)),
        )
        return self._posterior_from(base, top_down.context + bottom_up.context)

    def _features(self, x: tf.Tensor, z: tf.Tensor, top_down: _TopDown) -> tf.Tensor:
        h = tf.concat([tf.cast(z, x.dtype), top_down.deterministic], axis=-1)
        arithmetic = arithmetic_in_use()
        h = self.down_out(arithmetic.elu(h))
        if self.downsample:
            x = enlarge(x, 2)
        return x + arithmetic.scaled(BRANCH_SCALE, h)


class IAFLadderLayer(LadderLayer):
    """A level whose posterior takes one inverse-autoregressive step.

    Its network sees a context from both halves of the level. Arguments as LadderLayer.
    """

    flow: AutoregressiveNetwork

    def _context_channels(self, hidden_channels: int) -> int:
        return hidden_channels

    def _add_flow(self, z_channels: int, hidden_channels: int) -> None:
        self.flow = AutoregressiveNetwork(z_channels, hidden_channels, name="flow")

    def _posterior_from(
        self, base: tfp.distributions.Normal, context: tf.Tensor
    ) -> IAFPosterior:
        return IAFPosterior(base, self.flow, context)
