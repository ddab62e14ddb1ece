"""Means over images and seeds: intervals that cover the truth as often as they say."""

import math

import numpy as np
import pytest
import scipy.stats

from agave_tf.evaluation.estimate import estimate
from agave_tf.reproduction.claim import Claim, Verdict, above, below


@pytest.mark.parametrize(
    ("num_seeds", "image_spread", "seed_spread"),
    [(1, 1.0, 0.0), (3, 1.0, 0.0), (3, 1.0, 0.1), (3, 0.1, 1.0), (8, 1.0, 0.2)],
)
def test_an_interval_covers_the_mean_as_often_as_it_says(
    num_seeds, image_spread, seed_spread
):
    """Of 2,000 intervals; 0.93 is four standard deviations of the share below 0.95.

    Satterthwaite's degrees of freedom, and the interaction that counts twice, make the
    interval rather too wide than too narrow where there are few seeds.
    """
    rng = np.random.default_rng(0)
    shape, covered = (num_seeds, 50), []
    for _ in range(2000):
        values = rng.normal(0, image_spread, shape[1])
        values = values + rng.normal(0, seed_spread, (num_seeds, 1))
        found = estimate(values + rng.normal(0, 0.1 * image_spread, shape) + 7)
        covered.append(found.low <= 7 <= found.high)
    assert np.mean(covered) >= 0.93
    if num_seeds == 1 or seed_spread:
        assert np.mean(covered) <= 0.98


def test_an_interval_of_one_seed_is_student_s():
    values = np.random.default_rng(1).normal(2, 3, 20)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values[None])
    np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-6)
    assert math.isnan(found.seed_error) and found.num_images == 20


def test_an_interval_of_trainings_as_a_whole_is_student_s_over_seeds():
    values = [1.0, 1.5, 1.2]
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(np.array(values)[:, None])
    np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-6)
    assert math.isnan(found.image_error) and found.num_seeds == 3


def test_what_two_models_have_in_common_cancels_in_their_difference():
    rng = np.random.default_rng(2)
    image, seed = rng.normal(4, 1, 100), rng.normal(0, 1, (3, 1))
    first, second = image + seed, image + seed + 0.01
    found = estimate(second - first)
    np.testing.assert_allclose(found[:5], [0.01, 0, 0, 0.01, 0.01], atol=1e-12)
    assert estimate(first).image_error > 0.05


def test_one_number_alone_is_known_to_within_nothing():
    found = estimate(np.array([[3.0]]))
    assert (found.mean, found.low, found.high) == (3.0, -math.inf, math.inf)
    assert above("it", np.array([[3.0]])).verdict is Verdict.UNDECIDED


SPREAD = np.array([[-0.1, 0.0, 0.1, 0.05, -0.05]])


@pytest.mark.parametrize(
    ("mean", "if_above", "if_below"),
    [
        (1.0, Verdict.HELD, Verdict.NOT_HELD),
        (-1.0, Verdict.NOT_HELD, Verdict.HELD),
        (0.01, Verdict.UNDECIDED, Verdict.UNDECIDED),
    ],
)
def test_a_claim_is_held_if_every_interval_is_on_its_side(mean, if_above, if_below):
    assert above("it", mean + SPREAD).verdict is if_above
    assert below("it", mean + SPREAD).verdict is if_below
    assert above("it", mean + 3 + SPREAD, limit=3).verdict is if_above
    sure = above("other", 1 + SPREAD)
    assert Claim("both", [sure, above("it", mean + SPREAD)]).verdict is if_above
    not_so = above("third", -1 + SPREAD)
    assert Claim("all", [above("it", mean + SPREAD), not_so]).verdict is (
        Verdict.NOT_HELD
    )
