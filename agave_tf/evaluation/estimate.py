"""A mean over images and trainings, and the interval that it is known to within."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.probability import tfp

# The probability with which an interval covers the true mean.
COVERAGE = 0.95


class Estimate(NamedTuple):
    """A mean, its two standard errors, and its 95 % interval.

    An error that cannot be estimated, from one image or one seed, is NaN and left out
    of the interval: with one seed it is about these weights, not about other trainings.
    """

    mean: float
    image_error: float  # standard error that comes from the choice of images
    seed_error: float  # standard error that comes from the seeds of the trainings
    low: float
    high: float
    num_images: int
    num_seeds: int


def estimate(values: np.ndarray) -> Estimate:
    """Estimates the mean of a quantity over images and trainings.

    To compare models, give the differences of their values: what images, noise and
    seeds have in common then cancels.

    The variances of the two means, over images and over seeds, are added, which counts
    their interaction twice; the interval uses Student's t with the degrees of freedom
    of Satterthwaite 1946.

    Args:
      values: [S,N], of N images in each of S trainings, which differ in their seeds
        alone; [S,1] for a quantity of a training as a whole.
    """
    values = np.asarray(values, np.float64)
    num_seeds, num_images = values.shape
    image_error = standard_error(values.mean(axis=0))
    seed_error = standard_error(values.mean(axis=1))
    known = [
        (error**2, count - 1)
        for error, count in ((image_error, num_images), (seed_error, num_seeds))
        if not math.isnan(error)
    ]
    variance = sum(variance for variance, _ in known)
    mean, half = float(values.mean()), 0.0
    if variance:
        freedom = variance**2 / sum(part**2 / degrees for part, degrees in known)
        quantile = _student_quantile(tf.constant(freedom, tf.float64))
        half = float(quantile) * math.sqrt(variance)
    elif not known:
        half = math.inf
    return Estimate(
        mean, image_error, seed_error, mean - half, mean + half, num_images, num_seeds
    )


def standard_error(values: np.ndarray) -> float:
    """The standard error of the mean of [n] values; NaN for one of them."""
    if len(values) == 1:
        return math.nan
    return float(values.std(ddof=1) / math.sqrt(len(values)))


@tf.function(autograph=False)
def _student_quantile(freedom: tf.Tensor) -> tf.Tensor:
    """The number that |t| of Student's distribution is below with COVERAGE."""
    zero, one = tf.zeros([], freedom.dtype), tf.ones([], freedom.dtype)
    student = tfp.distributions.StudentT(freedom, zero, one)
    return student.quantile((1 + COVERAGE) / 2)
