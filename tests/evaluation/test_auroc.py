"""The area under the ROC curve, against direct counts and scipy."""

import math

import numpy as np
import pytest
import scipy.stats

from agave_tf.evaluation.auroc import auroc, share_below


def drawn(n, m, shift, levels=None, seed=0):
    """Normal scores, the outliers' higher by `shift`; rounded, so that some tie."""
    rng = np.random.default_rng(seed)
    inliers, outliers = rng.normal(size=n), rng.normal(size=m) + shift
    if levels:
        inliers, outliers = np.round(levels * inliers), np.round(levels * outliers)
    return inliers, outliers


@pytest.mark.parametrize("levels", [None, 2])
def test_the_area_is_the_share_of_pairs_in_order_with_ties_half(levels):
    inliers, outliers = drawn(40, 30, 0.7, levels)
    pairs = [(x < y) + (x == y) / 2 for x in inliers for y in outliers]
    found = auroc(inliers, outliers)
    np.testing.assert_allclose(found.value, np.mean(pairs), rtol=1e-12)
    u = scipy.stats.mannwhitneyu(outliers, inliers).statistic
    np.testing.assert_allclose(found.value, u / (40 * 30), rtol=1e-12)
    reverse = auroc(outliers, inliers)
    np.testing.assert_allclose(reverse, 1 - np.array(found)[[0, 2, 1]], rtol=1e-12)


@pytest.mark.parametrize("levels", [None, 2])
def test_the_interval_has_the_variance_of_delong(levels):
    inliers, outliers = drawn(40, 30, 0.7, levels)
    psi = (inliers[:, None] < outliers) + (inliers[:, None] == outliers) / 2
    variance = psi.mean(1).var(ddof=1) / 40 + psi.mean(0).var(ddof=1) / 30
    found = auroc(inliers, outliers)
    half = scipy.stats.norm.ppf(0.975) * math.sqrt(variance)
    expected = [psi.mean() - half, psi.mean() + half]
    np.testing.assert_allclose(found[1:], expected, rtol=1e-12)


def test_intervals_cover_the_true_area_as_often_as_they_say():
    """1,000 intervals; 0.03 is 4.3 standard errors, one false failure in 70,000."""
    true = scipy.stats.norm.cdf(1 / math.sqrt(2))  # Of two normals, 1 apart.
    intervals = [auroc(*drawn(80, 60, 1, seed=seed)) for seed in range(1000)]
    covered = np.mean([found.low <= true <= found.high for found in intervals])
    assert abs(covered - 0.95) < 0.03


def test_complete_separation_and_single_scores_have_the_intervals_that_are_said():
    assert auroc(np.arange(5), np.arange(5, 9)) == (1, 1, 1)
    assert auroc(np.arange(5, 9), np.arange(5)) == (0, 0, 0)
    assert auroc(np.array([1.0]), np.array([0.0, 1.0])) == (0.25, 0, 1)


def test_shares_below_are_direct_counts():
    values, reference = np.array([0.0, 1, 2, 3, 9]), np.array([3.0, 1, 1, 2])
    counts = [((reference < v) + (reference == v) / 2).mean() for v in values]
    np.testing.assert_array_equal(share_below(values, reference), counts)
    assert counts == [0, 0.25, 0.625, 0.875, 1]


def test_no_scores_and_nan_are_refused():
    with pytest.raises(ValueError, match="must not be empty; got 2 and 0 of them"):
        share_below(np.ones(2), np.ones(0))
    with pytest.raises(ValueError, match="got NaN"):
        auroc(np.array([0.0, math.nan]), np.ones(2))
