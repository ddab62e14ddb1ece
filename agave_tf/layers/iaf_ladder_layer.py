"""One latent level of the IAF-VAE (Kingma et al. 2016, section 4 and Figure 3).

After `IAFLayer` of openai/iaf `tf_train.py`: a deterministic bottom-up half and a
stochastic top-down half that share the posterior.
"""

from typing import NamedTuple

import tensorflow as tf

from agave_tf.layers.base_layer import BaseLayer
from agave_tf.layers.enlarge import enlarge
from agave_tf.layers.level_posterior import BRANCH_SCALE, LevelPosterior
from agave_tf.layers.masked_convolution import AutoregressiveNetwork
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose
from agave_tf.probability import tfp

tfd = tfp.distributions


class BottomUp(NamedTuple):
    """A level's bottom-up features, which its posterior adds to the top-down ones."""

    mean: tf.Tensor  # [B,h,w,z_channels]
    log_scale: tf.Tensor  # [B,h,w,z_channels]
    context: tf.Tensor | None  # [B,h,w,hidden_channels], for the flow


class LatentSample(NamedTuple):
    """One draw of z at a level; z and kl are float32."""

    z: tf.Tensor  # [B,h,w,z_channels]
    kl: tf.Tensor | None  # [B,h,w,z_channels] nats: ln q(z|x) - ln p(z) at this z
    features: tf.Tensor  # [B,h',w',hidden_channels] for the next level down


class _TopDown(NamedTuple):
    """The parts of the top-down convolution's output; the first four are float32."""

    prior_mean: tf.Tensor  # [B,h,w,z_channels]
    prior_log_scale: tf.Tensor  # [B,h,w,z_channels]
    mean: tf.Tensor  # [B,h,w,z_channels], the posterior's but for the bottom-up part
    log_scale: tf.Tensor  # [B,h,w,z_channels]
    context: tf.Tensor | None  # [B,h,w,hidden_channels], for the flow
    deterministic: tf.Tensor  # [B,h,w,hidden_channels]


def _conv(in_channels: int, filters: int, strides: int, name: str) -> WeightNormConv2D:
    return WeightNormConv2D(
        in_channels, filters, (3, 3), strides, "same", "exponential", 0.1, name=name
    )


class IAFLadderLayer(BaseLayer):
    """One level of latents, between a bottom-up and a top-down stream of features.

    The stochastic half runs by one of four methods: `sample_posterior`, `sample_prior`,
    `given` and `initialize`.

    Args:
      hidden_channels: channels of the deterministic streams (h_size).
      z_channels: channels of the latents (z_size).
      downsample: whether the level works at half the resolution of the one below.
      use_iaf: whether the posterior takes one inverse-autoregressive step.
      name: of the layer.
    """

    def __init__(
        self,
        hidden_channels: int,
        z_channels: int,
        downsample: bool,
        use_iaf: bool,
        name: str | None = None,
    ):
        super().__init__(name)
        h, z = hidden_channels, z_channels
        self.architecture = (hidden_channels, z_channels, downsample, use_iaf)
        context = h if use_iaf else 0
        self.downsample = downsample
        self._up_split = (z, z, context, h)
        self._down_split = (z, z, z, z, context, h)
        strides = 2 if downsample else 1
        self.up_in = _conv(h, sum(self._up_split), strides, "up_in")
        self.up_out = _conv(h, h, 1, "up_out")
        self.down_in = _conv(h, sum(self._down_split), 1, "down_in")
        self.flow = AutoregressiveNetwork(z, h, name="flow") if use_iaf else None
        if downsample:
            self.down_out = WeightNormConv2DTranspose(
                h + z, h, (3, 3), gain="exponential", init_scale=0.1, name="down_out"
            )
        else:
            self.down_out = _conv(h + z, h, 1, "down_out")
        self.built = True

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
        context = None if self.flow is None else context
        return BottomUp(mean, log_scale, context), x + BRANCH_SCALE * h

    def sample_posterior(
        self, x: tf.Tensor, bottom_up: BottomUp, noise: tf.Tensor
    ) -> LatentSample:
        """Draws z ~ q(z|x).

        Args:
          x: [B,h,w,hidden_channels], from the level above.
          bottom_up: of `bottom_up`.
          noise: standard normal, [B,h,w,z_channels].
        """
        top_down = self._top_down(x)
        z, log_q = self._posterior(top_down, bottom_up).draw(noise)
        kl = log_q - self._prior(top_down).log_prob(z)
        return LatentSample(z, kl, self._features(x, z, top_down))

    def sample_prior(self, x: tf.Tensor, noise: tf.Tensor) -> LatentSample:
        """Draws z ~ p(z), by standard normal `noise` [B,h,w,z_channels]."""
        top_down = self._top_down(x)
        z = top_down.prior_mean + tf.exp(top_down.prior_log_scale) * noise
        return LatentSample(z, None, self._features(x, z, top_down))

    def given(self, x: tf.Tensor, z: tf.Tensor) -> LatentSample:
        """Runs the top-down pass with the given z [B,h,w,z_channels]."""
        return LatentSample(z, None, self._features(x, z, self._top_down(x)))

    def prior(self, x: tf.Tensor) -> tfp.distributions.Normal:
        """p(z) of this level, given x [B,h,w,hidden_channels] from the level above."""
        return self._prior(self._top_down(x))

    def posterior(self, x: tf.Tensor, bottom_up: BottomUp) -> LevelPosterior:
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
            return self.sample_posterior(x, bottom_up, noise)
        top_down = self._top_down(x)
        z = top_down.prior_mean + tf.exp(top_down.prior_log_scale) * noise
        if self.flow is not None:
            z, _ = self._posterior(top_down, bottom_up).step(z)
        return LatentSample(z, None, self._features(x, z, top_down))

    def _top_down(self, x: tf.Tensor) -> _TopDown:
        parts = tf.split(self.down_in(tf.nn.elu(x)), self._down_split, axis=-1)
        prior_mean, prior_log_scale, mean, log_scale = (
            tf.cast(part, tf.float32) for part in parts[:4]
        )
        context, deterministic = parts[4:]
        context = None if self.flow is None else context
        return _TopDown(
            prior_mean, prior_log_scale, mean, log_scale, context, deterministic
        )

    def _prior(self, top_down: _TopDown) -> tfp.distributions.Normal:
        return tfd.Normal(top_down.prior_mean, tf.exp(top_down.prior_log_scale))

    def _posterior(self, top_down: _TopDown, bottom_up: BottomUp) -> LevelPosterior:
        base = tfd.Normal(
            top_down.mean + tf.cast(bottom_up.mean, tf.float32),
            tf.exp(top_down.log_scale + tf.cast(bottom_up.log_scale, tf.float32)),
        )
        context = None
        if self.flow is not None:
            # Both halves have a context where there is a flow.
            assert top_down.context is not None and bottom_up.context is not None
            context = top_down.context + bottom_up.context
        return LevelPosterior(base, self.flow, context)

    def _features(self, x: tf.Tensor, z: tf.Tensor, top_down: _TopDown) -> tf.Tensor:
        h = tf.concat([tf.cast(z, x.dtype), top_down.deterministic], axis=-1)
        h = tf.nn.elu(h)
        h = self.down_out(h)
        if self.downsample:
            x = enlarge(x, 2)
        return x + BRANCH_SCALE * h
