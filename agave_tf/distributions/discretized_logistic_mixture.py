"""The mixture of discretized logistics, the likelihood of a pixel in PixelCNN++.

Salimans et al. 2017, section 2.1 and 2.2, Eq. 1 to 3; openai/pixel-cnn `nn.py`.
"""

import math
from typing import Any, NamedTuple

import tensorflow as tf

from agave_tf.arithmetic import fixed_point
from agave_tf.distributions.discretized_logistic import (
    log_mass_of_level,
    log_of_support,
    mass_of_level,
)
from agave_tf.distributions.logistic_mixture import LogisticMixture
from agave_tf.errors import InputError
from agave_tf.probability import tfp
from agave_tf.weights.in_use import arithmetic_in_use

tfd = tfp.distributions

# A logistic of this scale is narrower than any of the 256 levels (openai/pixel-cnn).
_MIN_LOG_SCALE = -7.0
# Half the width of a level on the [-1, 1] axis, where 256 levels lie 2/255 apart.
_HALF_BIN = 1 / 255
_EXACT_HALF_BIN = 257 * 2.0**-fixed_point.GRID_BITS  # the nearest on the grid
# The least ln of the ratio of two components' weights, in exact arithmetic.
_LEAST_LOG_RATIO = -30.0
# Weights are multiples of this power of 1/2 before they are divided by their sum.
_RATIO_BITS = 30


class Slots(NamedTuple):
    """The slots of given levels, for an entropy coder."""

    start: tf.Tensor  # int32 [..., C], the first slot
    end: tf.Tensor  # int32 [..., C], one after the last slot


def num_parameters(num_channels: int, num_mixtures: int) -> int:
    """The number of network outputs per pixel: 10 per component for RGB, 3 for gray.

    Args:
      num_channels: 1 or 3.
      num_mixtures: components of the mixture.

    Raises:
      InputError: `num_channels` is neither 1 nor 3.
    """
    if num_channels not in (1, 3):
        raise InputError(f"`num_channels` must be 1 or 3; got {num_channels}.")
    per_channel = 3 if num_channels == 3 else 2
    return num_mixtures * (1 + num_channels * per_channel)


class DiscretizedLogisticMixture(tfp.distributions.Distribution):
    """p(x) of a pixel x of C channels with 256 levels, x in [-1, 1].

        p(x) = sum_i pi[i] * prod_c P_c(x[c] | mean[c, i], s[c, i])
        P_c(v | m, s) = sigmoid((v + 1/255 - m) / s) - sigmoid((v - 1/255 - m) / s)

    where level 0 includes all mass below it and level 255 all mass above it. With C = 3
    the channels of a component depend on each other linearly:

        mean[1, i] = m[1, i] + c0[i] * x[0]
        mean[2, i] = m[2, i] + c1[i] * x[0] + c2[i] * x[1]

    A pixel with some x[c] further than half a level, 1/255, outside [-1, 1] has the
    log_prob -inf.

    If a level's mass is below 1e-5, the original uses the density at its centre
    instead. Ours is exact there too, in value and gradient, because the difference of
    sigmoids is computed in log space.

    Shapes (K components): batch [..., ], event [C].

    Args:
      parameters: [..., P] with P = num_parameters(C, K), in the original's order: K
        logits of pi, then for each channel K means, K log-scales (floored at -7) and,
        for C = 3, K coefficients before tanh.
      num_channels: C, 3 or 1.
      validate_args, allow_nan_stats, name: as tfd.Distribution takes them.

    Raises:
      InputError: `num_channels` is neither 1 nor 3, or P is no multiple of the number
        of parameters per component.
    """

    def __init__(
        self,
        parameters: tf.Tensor,
        num_channels: int,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiscretizedLogisticMixture",
    ):
        arguments = dict(locals())
        parameters = tf.convert_to_tensor(parameters)
        per_component = num_parameters(num_channels, num_mixtures=1)
        k, remainder = divmod(parameters.shape[-1], per_component)
        if k == 0 or remainder:
            raise InputError(
                f"`parameters` must have a multiple of {per_component} per pixel of "
                f"{num_channels} channels; got {parameters.shape[-1]}."
            )
        self._num_channels, self._num_mixtures = num_channels, k
        self._raw = parameters
        fields = (per_component - 1) // num_channels
        batch = tf.shape(parameters)[:-1]
        # Split rather than indexed, because the gradients are then one concatenation.
        self._logits, rest = tf.split(parameters, [k, -1], axis=-1)  # [..., K]
        rest = tf.reshape(rest, tf.concat([batch, [num_channels, fields * k]], axis=0))
        self._means, log_scales, *coefficients = tf.split(rest, fields, axis=-1)
        self._log_scales = tf.maximum(log_scales, _MIN_LOG_SCALE)  # [..., C, K]
        # One, or none for gray.
        self._coefficients = [arithmetic_in_use().tanh(c) for c in coefficients]
        super().__init__(
            dtype=parameters.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=arguments,
            name=name,
        )

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, Any]:
        return dict(parameters=tfp.util.ParameterProperties(event_ndims=1))

    def _batch_shape(self) -> tf.TensorShape:
        return self._raw.shape[:-1]

    def _batch_shape_tensor(self, **_: Any) -> tf.Tensor:
        return tf.shape(self._raw)[:-1]

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._num_channels])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([self._num_channels], tf.int32)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value, self.dtype)
        is_inside = tf.abs(value) <= 1 + _HALF_BIN
        # Values outside are replaced before the formula and masked after it. Otherwise
        # an infinite x would make the gradient NaN through the branch of tf.where that
        # is not taken.
        x = tf.where(is_inside, value, 0.0)[..., None]  # [..., C, 1]
        log_mass = tf.reduce_sum(self._log_mass(x), axis=-2)
        log_joint = log_mass + tf.nn.log_softmax(self._logits)
        log_prob = tf.reduce_logsumexp(log_joint, axis=-1)
        is_inside = tf.reduce_all(is_inside, axis=-1)
        return tf.where(is_inside, log_prob, log_of_support(is_inside, self.dtype))

    def _log_mass(self, x: tf.Tensor) -> tf.Tensor:
        """ln of a pixel's mass by channel and component [..., C, K], x [..., C, 1]."""
        inverse_scale = tf.exp(-self._log_scales)
        centered = x - self._conditional_means(x)
        return log_mass_of_level(
            upper=(centered + _HALF_BIN) * inverse_scale,
            lower=(centered - _HALF_BIN) * inverse_scale,
            log_width=math.log(2 * _HALF_BIN) - self._log_scales,
            is_first=x < -0.999,
            is_last=x > 0.999,
        )

    def given_channels(self, earlier: list[tf.Tensor]) -> LogisticMixture:
        """p of the next channel, given the ones before it.

        Args:
          earlier: values [...] of the first channels, in [-1, 1]; fewer than C.
        """
        arithmetic, channel = arithmetic_in_use(), len(earlier)
        weights = self._weights if arithmetic.is_trainable else self._exact_weights
        zeros = [tf.zeros_like(self._logits[..., 0])] * (self._num_channels - channel)
        x = tf.stack([*earlier, *zeros], axis=-1)[..., None]
        return LogisticMixture(
            weights(x, channel),
            self._conditional_means(x)[..., channel, :],
            arithmetic.exp(-self._log_scales[..., channel, :]),
        )

    def _weights(self, x: tf.Tensor, channel: int) -> tf.Tensor:
        """The weights [..., K] for a channel, given those before it in x [..., C, 1].

        A component that has explained them well has more weight for the next.
        """
        log_weights = tf.nn.log_softmax(self._logits)
        if channel:
            log_mass = self._log_mass(x)[..., :channel, :]
            log_weights = tf.nn.log_softmax(
                log_weights + tf.reduce_sum(log_mass, axis=-2)
            )
        return tf.exp(log_weights)

    def _exact_weights(self, x: tf.Tensor, channel: int) -> tf.Tensor:
        """As `_weights`, in multiples of 2**-24, and without logarithms."""
        largest = tf.reduce_max(self._logits, axis=-1, keepdims=True)
        weight = fixed_point.exp(tf.maximum(self._logits - largest, _LEAST_LOG_RATIO))
        if channel:
            # Each of the masses is at least exp(-300) * 2**-24, so two and a ratio are
            # far from the least float64.
            mass = self._exact_mass(x)
            for earlier in range(channel):
                weight *= mass[..., earlier, :]
        weight /= tf.reduce_max(weight, axis=-1, keepdims=True)
        # On a common grid their sum is exact.
        weight = fixed_point.to_multiple(weight, _RATIO_BITS)
        total = tf.reduce_sum(weight, axis=-1, keepdims=True)
        return fixed_point.to_multiple(weight / total, fixed_point.FRACTION_BITS)

    def _exact_mass(self, x: tf.Tensor) -> tf.Tensor:
        """A pixel's mass by channel and component [..., C, K], x [..., C, 1]."""
        inverse_scale = fixed_point.exp(-self._log_scales)
        centered = x - self._conditional_means(x)
        upper, lower, width = (
            fixed_point.to_grid(distance * inverse_scale)
            for distance in (
                centered + _EXACT_HALF_BIN,
                centered - _EXACT_HALF_BIN,
                tf.constant(2 * _EXACT_HALF_BIN, tf.float64),
            )
        )
        return mass_of_level(upper, lower, width, x < -0.999, x > 0.999)

    def slots(self, level: tf.Tensor) -> Slots:
        """The slots of a pixel's levels, each channel given the ones before it.

        Args:
          level: int32 [..., C], from 0 to 255.
        """
        earlier: list[tf.Tensor] = []
        starts, ends = [], []
        for own in tf.unstack(level, axis=-1):
            edges = tf.stack([own, own + 1], axis=-1)
            slots = self.given_channels(earlier).slots_below(edges)
            starts.append(slots[..., 0])
            ends.append(slots[..., 1])
            earlier.append(arithmetic_in_use().from_levels(own))
        return Slots(tf.stack(starts, axis=-1), tf.stack(ends, axis=-1))

    def _conditional_means(self, x: tf.Tensor) -> tf.Tensor:
        """The means [..., C, K], given the pixel's own channels x [..., C, 1]."""
        if not self._coefficients:
            return self._means
        c0, c1, c2 = tf.unstack(self._coefficients[0], axis=-2)
        red, green = x[..., 0, :], x[..., 1, :]
        times = arithmetic_in_use().times
        green_shift = times(c0, red)
        blue_shift = times(c1, red) + times(c2, green)
        red_shift = tf.zeros_like(green_shift)
        return self._means + tf.stack([red_shift, green_shift, blue_shift], axis=-2)

    def sample_given_noise(
        self,
        u_mixture: tf.Tensor,
        u_logistic: tf.Tensor,
        snap_to_levels: bool = True,
        temperature: float = 1.0,
    ) -> tf.Tensor:
        """Draws a pixel [..., C] in [-1, 1] with given noise.

        Args:
          u_mixture: [..., K], uniform in [1e-5, 1 - 1e-5]; chooses the component by the
            Gumbel-max trick.
          u_logistic: [..., C], uniform in [1e-5, 1 - 1e-5].
          snap_to_levels: rounds each channel to one of the 256 levels before the next
            channel depends on it; False: continuous values, as the original draws.
          temperature: factor of the scales and divisor of the logits; 1 draws from this
            distribution, 0 gives the means of its most likely component.
        """
        gumbel = -tf.math.log(-tf.math.log(u_mixture)) * temperature
        best = tf.argmax(self._logits + gumbel, axis=-1)
        chosen = tf.one_hot(best, self._num_mixtures, dtype=self.dtype)[..., None, :]

        def for_chosen(values: tf.Tensor) -> list[tf.Tensor]:
            return tf.unstack(tf.reduce_sum(values * chosen, axis=-1), axis=-1)

        logistic = tf.math.log(u_logistic) - tf.math.log1p(-u_logistic)
        noise = tf.unstack(logistic * temperature, axis=-1)
        means, log_scales = for_chosen(self._means), for_chosen(self._log_scales)
        drawn = [
            mean + tf.exp(log_scale) * n
            for mean, log_scale, n in zip(means, log_scales, noise, strict=True)
        ]
        finish = _snapped if snap_to_levels else _clipped
        pixel = [finish(drawn[0])]
        if self._coefficients:
            c0, c1, c2 = for_chosen(self._coefficients[0])
            pixel.append(finish(drawn[1] + c0 * pixel[0]))
            pixel.append(finish(drawn[2] + c1 * pixel[0] + c2 * pixel[1]))
        return tf.stack(pixel, axis=-1)

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        mixture_seed, logistic_seed = tfp.random.split_seed(seed, n=2)
        batch = tf.concat([[n], self._batch_shape_tensor()], axis=0)

        def uniform(size: int, seed: tf.Tensor) -> tf.Tensor:
            shape = tf.concat([batch, [size]], axis=0)
            return tf.random.stateless_uniform(
                shape, seed, 1e-5, 1 - 1e-5, dtype=self.dtype
            )

        return self.sample_given_noise(
            uniform(self._num_mixtures, mixture_seed),
            uniform(self._num_channels, logistic_seed),
        )


def _clipped(value: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(value, -1.0, 1.0)


def _snapped(value: tf.Tensor) -> tf.Tensor:
    """The nearest level; equal, bit for bit, to that level of an image in [-1, 1]."""
    return (tf.round(_clipped(value) * 127.5 + 127.5) - 127.5) / 127.5
