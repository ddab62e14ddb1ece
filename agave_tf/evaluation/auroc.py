"""The area under the ROC curve of a score that shall tell outliers from inliers.

DeLong, DeLong & Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated
Receiver Operating Characteristic Curves: A Nonparametric Approach".
"""

import math
import statistics
from typing import NamedTuple

import numpy as np

from agave_tf.evaluation.estimate import COVERAGE, standard_error


class AUROC(NamedTuple):
    """An area under the ROC curve, and its 95 % interval within [0,1].

    The interval is [value, value] where the scores separate the sets completely: the
    variance is then estimated as 0. With a single inlier or outlier it is [0, 1].
    """

    value: float
    low: float
    high: float


def auroc(inliers: np.ndarray, outliers: np.ndarray) -> AUROC:
    """Estimates the probability that an outlier has a higher score than an inlier.

        value = (number of pairs with inlier < outlier + ties / 2) / (n m)

    This is the statistic U of Mann and Whitney, divided by n m. The variance is
    DeLong's: that of the outliers' shares of inliers below them, over m, plus that of
    the inliers' shares of outliers above them, over n.

    Args:
      inliers: [n] scores.
      outliers: [m] scores.

    Raises:
      ValueError: a set is empty, or a score is NaN.
    """
    of_outliers = share_below(outliers, inliers)
    of_inliers = 1 - share_below(inliers, outliers)
    value = float(of_outliers.mean())
    error = math.hypot(standard_error(of_outliers), standard_error(of_inliers))
    if math.isnan(error):
        return AUROC(value, 0.0, 1.0)
    half = statistics.NormalDist().inv_cdf((1 + COVERAGE) / 2) * error
    return AUROC(value, max(0.0, value - half), min(1.0, value + half))


def share_below(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The share of reference values below each value, ties half; float64 [N].

    Args:
      values: [N].
      reference: [M].

    Raises:
      ValueError: there is no value or no reference, or one is NaN.
    """
    values, reference = (np.asarray(each, np.float64) for each in (values, reference))
    if not values.size or not reference.size:
        raise ValueError(
            "`values` and `reference` must not be empty; got "
            f"{values.size} and {reference.size} of them."
        )
    if np.isnan(values).any() or np.isnan(reference).any():
        raise ValueError("`values` and `reference` must be numbers; got NaN.")
    reference = np.sort(reference)
    below = np.searchsorted(reference, values, side="left")
    not_above = np.searchsorted(reference, values, side="right")
    return (below + not_above) / (2 * len(reference))
