"""The discretized logistic, the likelihood of the auxiliary image y.

Eq. 10 of Lucas & Verbeek 2018; Kingma et al. 2016, appendix C.
"""

import math
from typing import Any

import tensorflow as tf

from agave_tf.arithmetic import fixed_point
from agave_tf.errors import InputError
from agave_tf.probability import tfp

tfd = tfp.distributions


def log_mass_of_level(
    upper: tf.Tensor,
    lower: tf.Tensor,
    log_width: tf.Tensor,
    is_first: tf.Tensor | bool = False,
    is_last: tf.Tensor | bool = False,
) -> tf.Tensor:
    """ln of a level's mass, nats; exact even where the mass itself underflows.

        sigmoid(a) - sigmoid(b) = (1 - exp(b - a)) * sigmoid(a) * sigmoid(-b)

    No factor on the right cancels, so the logarithm of each is exact. A first level
    with an open tail reaches down to b = -inf, a last one up to a = inf.

    Args:
      upper, lower: a and b, the edges of the level in units of the scale.
      log_width: ln(a - b); an argument because a - b of two large numbers is inexact.
      is_first, is_last: where the level has an open tail.
    """
    log_below_upper = -tf.nn.softplus(-upper)
    log_above_lower = -tf.nn.softplus(lower)
    between = _log_one_minus_exp(log_width) + log_below_upper + log_above_lower
    # All three and their gradients are finite. Otherwise tf.where would pass a NaN on
    # from the branch that is not taken.
    return tf.where(
        is_first, log_below_upper, tf.where(is_last, log_above_lower, between)
    )


def mass_of_level(
    upper: tf.Tensor,
    lower: tf.Tensor,
    width: tf.Tensor,
    is_first: tf.Tensor,
    is_last: tf.Tensor,
) -> tf.Tensor:
    """A level's mass in exact arithmetic, by the product of `log_mass_of_level`.

    It is positive, at least exp(-300) * 2**-24.

    Args:
      upper, lower, width: a, b and a - b, on the grid.
      is_first, is_last: where the level has an open tail.
    """
    below_upper, above_lower = fixed_point.tail(upper), fixed_point.tail(-lower)
    # A level so narrow that no difference is left still has some mass.
    inside = tf.maximum(1.0 - fixed_point.exp(-width), 2.0**-24)
    between = inside * below_upper * above_lower
    return tf.where(is_first, below_upper, tf.where(is_last, above_lower, between))


def _log_one_minus_exp(log_width: tf.Tensor) -> tf.Tensor:
    """ln(1 - exp(-width)), given ln(width)."""
    # Below a width of exp(-36) the result is ln(width) to the last digit of float64.
    # There exp is taken at -36 and the rest added, because exp of less would underflow
    # to 0, whose logarithm is infinite.
    width = tf.exp(tf.maximum(log_width, -36.0))
    rest = tf.minimum(log_width + 36.0, 0.0)
    # expm1 keeps the digits of a narrow level, where 1 - exp would be 0. For a wide one
    # the result rounds to ln 1 = 0, with an error no larger than the rounding of 1. The
    # two cases share one expression, because tf.where over two would have the gradient
    # NaN where the unused one is infinite.
    return tf.math.log(-tf.math.expm1(-width)) + rest


def _float_dtype(*arguments: Any) -> tf.DType:
    """The dtype of the first floating-point argument; float32 if there is none."""
    dtypes = [tf.as_dtype(a.dtype) for a in arguments if hasattr(a, "dtype")]
    return next((dtype for dtype in dtypes if dtype.is_floating), tf.float32)


def log_of_support(is_inside: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """0 where a value is inside the support, and -inf where it is not.

    A constant -inf to choose from would end each evaluation under
    `tf.debugging.enable_check_numerics()`; here it comes up only with a value outside.
    """
    return tf.math.log(tf.cast(is_inside, dtype))


class DiscretizedLogistic(tfp.distributions.Distribution):
    """A logistic distribution with its mass summed over b equal levels of 0..256.

        c = 256 / b
        P[k] = sigmoid((c * (k + 1) - loc) / s) - sigmoid((c * k - loc) / s)
        k = 0, ..., b - 1

    With open tails P[0] includes all mass below 0 and P[b-1] all mass above 256, so the
    levels sum to one. Without them this is Eq. 10 as printed, and openai/iaf: the mass
    outside [0, 256) is lost, and `sample` and `mean` use the renormalised rest.

    Values are on the pixel axis. Level k is given as the centre of its integers,
    c * k + (c - 1) / 2. Any v in [0, 256) has the log_prob of level floor(v / c); any
    other value has -inf.

    Shapes: batch, the broadcast of `loc` and `log_scale`; event, scalar.

        likelihood = DiscretizedLogistic(loc=[130.0, 7.5], log_scale=1.0)
        likelihood.log_prob([128, 0])  # [2], nats

    Args:
      loc: centre, on the 0..256 axis where integer u covers [u, u + 1).
      log_scale: ln s.
      num_color_levels: b, a divisor of 256, at least 2.
      open_tails: the outer levels include the tails.
      validate_args, allow_nan_stats, name: as tfd.Distribution takes them.

    Raises:
      InputError: `num_color_levels` is below 2 or does not divide 256.
    """

    def __init__(
        self,
        loc: Any,
        log_scale: Any,
        num_color_levels: int = 256,
        open_tails: bool = True,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiscretizedLogistic",
    ):
        parameters = dict(locals())
        if num_color_levels < 2 or 256 % num_color_levels:
            raise InputError(
                "`num_color_levels` must divide 256 and be at least 2; "
                f"got {num_color_levels}."
            )
        with tf.name_scope(name) as name:
            dtype = _float_dtype(loc, log_scale)
            self._loc = tf.convert_to_tensor(loc, dtype, name="loc")
            self._log_scale = tf.convert_to_tensor(log_scale, dtype, name="log_scale")
            self._num_color_levels, self._open_tails = num_color_levels, open_tails
            super().__init__(
                dtype=dtype,
                reparameterization_type=tfd.NOT_REPARAMETERIZED,
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                parameters=parameters,
                name=name,
            )

    @classmethod
    def _parameter_properties(
        cls, dtype: tf.DType, num_classes: int | None = None
    ) -> dict[str, Any]:
        return dict(
            loc=tfp.util.ParameterProperties(),
            log_scale=tfp.util.ParameterProperties(),
        )

    @property
    def loc(self) -> tf.Tensor:
        """The centre, on the 0..256 axis."""
        return self._loc

    @property
    def log_scale(self) -> tf.Tensor:
        """The logarithm of the scale s."""
        return self._log_scale

    @property
    def num_color_levels(self) -> int:
        """The number of levels b."""
        return self._num_color_levels

    @property
    def open_tails(self) -> bool:
        """True if the outer levels include the tails."""
        return self._open_tails

    @property
    def bin_width(self) -> float:
        """The width of a level, c = 256 / b."""
        return 256.0 / self._num_color_levels

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value, self.dtype)
        is_inside = (value >= 0) & (value < 256)
        # Values outside, NaN included, are replaced before the formula and masked after
        # it. Otherwise a NaN would reach the gradient through the branch of tf.where
        # that is not taken.
        inside = tf.where(is_inside, value, 0.0)
        log_mass = self._log_mass(tf.floor(inside / self.bin_width))
        return tf.where(is_inside, log_mass, log_of_support(is_inside, self.dtype))

    def _log_mass(self, level: tf.Tensor) -> tf.Tensor:
        """ln P[level]."""
        inverse_scale = tf.exp(-self.log_scale)
        lower = (self.bin_width * level - self.loc) * inverse_scale
        upper = (self.bin_width * (level + 1) - self.loc) * inverse_scale
        log_width = math.log(self.bin_width) - self.log_scale
        if not self.open_tails:
            return log_mass_of_level(upper, lower, log_width)
        is_first, is_last = level == 0, level == self.num_color_levels - 1
        return log_mass_of_level(upper, lower, log_width, is_first, is_last)

    def _value(self, level: tf.Tensor) -> tf.Tensor:
        """The centre of the integers of a level."""
        return self.bin_width * level + (self.bin_width - 1) / 2

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        shape = tf.concat([[n], self.batch_shape_tensor()], axis=0)
        # An open interval, because the logit of 0 or 1 is infinite.
        tiny = 1e-12 if self.dtype == tf.float64 else 1e-6
        uniform = tfp.random.split_seed(seed, n=1)[0]
        u = tf.random.stateless_uniform(shape, uniform, tiny, 1 - tiny, self.dtype)
        if self.open_tails:
            logit = tf.math.log(u) - tf.math.log1p(-u)
            logistic = self.loc + tf.exp(self.log_scale) * logit
        else:
            logistic = self._logistic_inside(u)
        level = tf.floor(logistic / self.bin_width)
        return self._value(tf.clip_by_value(level, 0, self.num_color_levels - 1))

    def _logistic_inside(self, u: tf.Tensor) -> tf.Tensor:
        """Inverts, at u, the cdf of the logistic renormalised to [0, 256)."""
        scale = tf.exp(self.log_scale)
        # If loc is far beyond an edge, all of [0, 256) is far in one tail, where the
        # cdf rounds to 0 or 1. So the axis is turned such that loc is nearer to 0 than
        # to 256, and the survival function, small there, is inverted in log space.
        is_turned = self.loc > 128
        loc = tf.where(is_turned, 256 - self.loc, self.loc)
        log_survival = tfp.math.log_add_exp(
            tf.math.log_sigmoid(loc / scale) + tf.math.log1p(-u),
            tf.math.log_sigmoid((loc - 256) / scale) + tf.math.log(u),
        )
        logistic = loc - scale * (log_survival - tfp.math.log1mexp(log_survival))
        return tf.where(is_turned, 256 - logistic, logistic)

    def _mean(self) -> tf.Tensor:
        # Sums over all levels at once, so memory is b times the batch. The softmax
        # restores the mass that closed tails lose, even where almost all of it is lost.
        levels = tf.range(self.num_color_levels, dtype=self.dtype)
        batch_rank = tf.size(self.batch_shape_tensor())
        levels = tf.reshape(levels, tf.pad([-1], [[0, batch_rank]], constant_values=1))
        mass = tf.nn.softmax(self._log_mass(levels), axis=0)
        return tf.reduce_sum(mass * self._value(levels), axis=0)

    def _mode(self) -> tf.Tensor:
        last = float(self.num_color_levels - 1)
        level = tf.clip_by_value(tf.floor(self.loc / self.bin_width), 0.0, last)
        level = tf.broadcast_to(level, self.batch_shape_tensor())
        if self.open_tails:
            # The tail of a wide logistic can have more mass than any inner level.
            candidates = tf.stack(
                [level, tf.zeros_like(level), last * tf.ones_like(level)]
            )
            best = tf.argmax(self._log_mass(candidates))
            chosen = tf.one_hot(best, 3, axis=0, dtype=self.dtype)
            level = tf.reduce_sum(candidates * chosen, axis=0)
        return self._value(level)
