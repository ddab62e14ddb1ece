"""Estimates a mean over images and trainings, and its 95 % interval."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.probability import tfp

# The probability with which an interval covers the true mean.
COVERAGE = 0.95


class Interval(NamedTuple):
    """Two ends of a range of numbers."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A mean, its two standard errors, and its 95 % interval.

    An error that cannot be estimated, from one image or one seed, is NaN and left out
    of the interval: with one seed it is about these weights, not about other trainings.
    If a value is not finite, mean and errors are NaN, and the interval is unbounded.
    """

    mean: float
    image_error: float  # standard error that comes from the choice of images
    seed_error: float  # standard error that comes from the seeds of the trainings
    low: float
    high: float
    num_images: int
    num_seeds: int
    num_not_finite: int = 0  # of num_images * num_seeds values

    def interval(self, coverage: float) -> Interval:
        """Returns the interval that covers the true mean with another probability.

        The variances of the two means, over images and over seeds, are added, which
        counts their interaction twice; the interval uses Student's t with the degrees
        of freedom of Satterthwaite 1946.

        Args:
          coverage: the probability, between 0 and 1.
        """
        known = [
            (error**2, count - 1)
            for error, count in (
                (self.image_error, self.num_images),
                (self.seed_error, self.num_seeds),
            )
            if not math.isnan(error)
        ]
        variance = sum(part for part, _ in known)
        if not known or not math.isfinite(self.mean) or not math.isfinite(variance):
            return Interval(-math.inf, math.inf)
        # Shares of the variance, because the square of a small one would be 0.
        shares = [(part / variance, degrees) for part, degrees in known if variance]
        if not shares:
            return Interval(self.mean, self.mean)
        freedom = 1 / sum(share**2 / degrees for share, degrees in shares)
        half = _student_quantile(freedom, coverage) * math.sqrt(variance)
        return Interval(self.mean - half, self.mean + half)


def estimate(values: np.ndarray) -> Estimate:
    """Estimates the mean of a quantity over images and trainings.

    To compare models, give the differences of their values: what images, noise and
    seeds have in common then cancels.

    Args:
      values: [S,N], of N images in each of S trainings, which differ in their seeds
        alone; [S,1] for a quantity of a training as a whole.
    """
    values = np.asarray(values, np.float64)
    num_seeds, num_images = values.shape
    num_not_finite = int(values.size - np.isfinite(values).sum())
    if num_not_finite:
        values = np.full_like(values, math.nan)
    # Sums of finite numbers may overflow; such a mean has an unbounded interval too.
    with np.errstate(over="ignore", invalid="ignore"):
        found = Estimate(
            float(values.mean()),
            standard_error(values.mean(axis=0)),
            standard_error(values.mean(axis=1)),
            -math.inf,
            math.inf,
            num_images,
            num_seeds,
            num_not_finite,
        )
    low, high = found.interval(COVERAGE)
    return found._replace(low=low, high=high)


def standard_error(values: np.ndarray) -> float:
    """The standard error of the mean of [n] values; NaN for one of them."""
    if len(values) == 1:
        return math.nan
    return float(values.std(ddof=1) / math.sqrt(len(values)))


@functools.lru_cache(maxsize=1024)
def _student_quantile(freedom: float, coverage: float) -> float:
    """The number that |t| is below with probability `coverage`, t of Student's law."""
    # As tensors: the function is compiled once for all numbers.
    arguments = tf.constant([freedom, (1 + coverage) / 2], tf.float64)
    return float(_compiled_quantile(arguments[0], arguments[1]))


@tf.function(autograph=False)
def _compiled_quantile(freedom: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
    zero, one = tf.zeros([], freedom.dtype), tf.ones([], freedom.dtype)
    return tfp.distributions.StudentT(freedom, zero, one).quantile(probability)
