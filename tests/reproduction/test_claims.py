"""Each artifact's claims, from made-up numbers: held, not held and undecided."""

import itertools

import numpy as np
import pytest

from agave_tf.reproduction.auxiliary_images import figure8_claims, figure9_claims
from agave_tf.reproduction.auxiliary_loss import (
    BEFORE,
    LossMeasures,
    baselines_claims,
    figure7_claims,
)
from agave_tf.reproduction.compared_models import (
    ABLATION,
    BASELINES,
    COLOR_LEVELS,
    CONTROL,
    LAMBDAS,
    LONG_RUNS,
    TABLE1,
    auxiliaries,
    probed_runs,
)
from agave_tf.reproduction.lambda_reconstructions import (
    PictureMeasures,
    figure3_claims,
)
from agave_tf.reproduction.lambda_sweep import figure4_claims
from agave_tf.reproduction.learning_curves import training_length_claims
from agave_tf.reproduction.likelihoods import table1_claims
from agave_tf.reproduction.picture_comparison import alike_for_one_f_z, nearer_to_own
from agave_tf.reproduction.probe_accuracy import probe_claims
from agave_tf.reproduction.samples import figure5_claims
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.trained_runs import Scores

HELD, NOT_HELD, UNDECIDED = "held", "not held", "undecided"
_seeds = itertools.count()


def values(mean, spread=1e-4):
    """[3,40] with this mean, each time with another noise."""
    noise = np.random.default_rng(next(_seeds)).normal(0, spread, [3, 40])
    return mean + noise - noise.mean()


def verdicts(claims):
    return [claim.verdict.value for claim in claims]


def numbers(claim):
    """What a claim compares: quantity, mean, side and limit."""
    return [
        (c.quantity, round(c.estimate.mean, 4), "above" if c.is_above else "below")
        for c in claim.comparisons
    ]


def all_but(count, place, verdict):
    """The verdicts of claims of which one is not held, or undecided."""
    return [verdict if i == place else HELD for i in range(count)]


@pytest.mark.parametrize(
    ("vae", "alone", "agave", "expected"),
    [
        (4.872, 4.7, 4.719, [HELD, HELD]),
        (4.872, 4.7, 4.721, [NOT_HELD, HELD]),
        (4.868, 4.7, 4.719, [HELD, NOT_HELD]),
        (4.870, 4.7, 4.720, [UNDECIDED, UNDECIDED]),
        (5.7, 4.7, np.nan, [UNDECIDED, UNDECIDED]),
    ],
)
def test_table_1(vae, alone, agave, expected):
    means = dict(zip(TABLE1, (vae, 4.9, alone, agave)))
    claims = table1_claims({title: values(mean) for title, mean in means.items()})
    assert verdicts(claims) == expected


FIGURE_3 = {
    "error": (4, 8.05, 19, 29, 34),
    "vr": (18, 18, 15, 10, 8),
    "vs": (21, 20, 15, 9, 7),
    "change": (5, 8.05, 20, 30, 36),
    "detail": (0.1, 0.5, 5, 10, 13),
}


def figure3(**changed):
    rows = {**FIGURE_3, **changed}.values()
    return figure3_claims(
        {
            weight: PictureMeasures(*map(values, measures))
            for weight, measures in zip(LAMBDAS, zip(*rows))
        }
    )


@pytest.mark.parametrize(
    ("changed", "place", "verdict"),
    [
        ({}, 0, HELD),
        ({"error": (9, 8.05, 19, 29, 34)}, 0, NOT_HELD),
        ({"error": (4, 8.05, 8.0, 29, 34)}, 0, NOT_HELD),
        ({"error": (4, 8.05, 19, 18, 34)}, 0, NOT_HELD),
        ({"error": (4, 8.05, 19, 29, 28)}, 0, NOT_HELD),
        ({"error": (4, 8.05, 19, 29, 29)}, 0, UNDECIDED),
        # Gaps of 3 and 4, -4, 3; then -3 and 1: the samples are smoother at first.
        ({"vs": (21, 20, 15, 9, 12)}, 1, NOT_HELD),
        ({"vs": (21, 20, 15, 9, 4)}, 1, NOT_HELD),
        ({"vs": (21, 20, 15, 9, 11)}, 1, UNDECIDED),
        ({"vs": (15, 20, 15, 9, 9)}, 1, NOT_HELD),
        ({"error": (4, 8.07, 19, 29, 34)}, 2, NOT_HELD),
        ({"change": (5, 8.07, 20, 30, 36)}, 2, NOT_HELD),
        ({"change": (5, 8.06, 20, 30, 36)}, 2, UNDECIDED),
        ({"detail": (0.1, -2, -1, 10, 13)}, 3, NOT_HELD),
        ({"detail": (0.1, 0.5, 0.4, 10, 13)}, 3, NOT_HELD),
        ({"detail": (0.1, 0.5, 5, 0.4, 13)}, 3, NOT_HELD),
        ({"detail": (0.1, 0.5, 5, 10, 0.4)}, 3, NOT_HELD),
        ({"detail": (0.1, 0.5, 5, 10, 0.5)}, 3, UNDECIDED),
    ],
)
def test_figure_3(changed, place, verdict):
    assert verdicts(figure3(**changed)) == all_but(4, place, verdict)


def test_the_sign_of_the_gap_of_figure_3_is_not_that_of_the_data():
    """Equal gaps of either sign around zero are undecided, however noisy."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        measures = {
            weight: PictureMeasures(*rng.normal(0, 1, [5, 1, 40])) for weight in LAMBDAS
        }
        held += figure3_claims(measures)[1].verdict.value != UNDECIDED
    # Of 0.025 for either verdict at most: 24 is four standard deviations above 10.
    assert held <= 22


FIGURE_4 = {
    "kl": (1.6, 0.8, 0.2, 0.06, 0.04),
    "auxiliary": (4.0, 5.0, 6.2, 6.8, 7.1),
    "primary": (3.6, 4.1, 4.6, 4.67, 4.69),
    "single": (5.2, 4.9, 4.8, 4.75, 4.74),
    "weighted": (5.2, 4.9, 4.8, 4.75, 4.74),
}


def figure4(**changed):
    rows = {**FIGURE_4, **changed}.values()
    scores = {}
    for weight, means in zip(LAMBDAS, zip(*rows)):
        kl, auxiliary, primary, single, weighted = map(values, means)
        parts = {
            "kl": kl,
            "auxiliary_reconstruction": auxiliary,
            "primary_reconstruction": primary,
        }
        scores[weight] = Scores(single, weighted, parts, {})
    return figure4_claims(scores)


@pytest.mark.parametrize(
    ("changed", "place", "verdict"),
    [
        ({}, 0, HELD),
        ({"kl": (1.6, 1.7, 0.2, 0.06, 0.04)}, 0, NOT_HELD),
        ({"kl": (1.6, 0.8, 0.9, 0.06, 0.04)}, 0, NOT_HELD),
        ({"kl": (1.6, 0.8, 0.2, 0.21, 0.04)}, 0, NOT_HELD),
        ({"kl": (1.6, 0.8, 0.2, 0.06, 0.07)}, 0, NOT_HELD),
        ({"kl": (1.6, 0.8, 0.2, 0.06, 0.06)}, 0, UNDECIDED),
        # The reconstruction alone: with the KL the bits/dim still worsen.
        ({"auxiliary": (4, 5, 4.99, 6.8, 7.1), "kl": (3, 2, 3, 2, 1)}, 1, NOT_HELD),
        # The bits/dim alone: 5.6, 5.5.
        ({"auxiliary": (4.0, 4.7, 6.2, 6.8, 7.1)}, 1, NOT_HELD),
        ({"auxiliary": (4.0, 5.0, 5.1, 6.8, 7.1)}, 1, NOT_HELD),
        ({"auxiliary": (4.0, 5.0, 6.2, 6.3, 7.1)}, 1, NOT_HELD),
        ({"auxiliary": (4.0, 5.0, 6.2, 6.8, 6.81)}, 1, NOT_HELD),
        ({"auxiliary": (4.0, 5.0, 6.2, 6.8, 6.82)}, 1, UNDECIDED),
        ({"primary": (4.2, 4.1, 4.6, 4.67, 4.69)}, 2, NOT_HELD),
        ({"primary": (3.6, 4.7, 4.6, 4.67, 4.69)}, 2, NOT_HELD),
        ({"primary": (3.6, 4.1, 4.68, 4.67, 4.69)}, 2, NOT_HELD),
        ({"primary": (3.6, 4.1, 4.6, 4.67, 4.66)}, 2, NOT_HELD),
        ({"primary": (3.6, 4.1, 4.6, 4.67, 4.67)}, 2, UNDECIDED),
    ],
)
def test_figure_4(changed, place, verdict):
    claims = figure4(**changed)
    if "kl" in changed:
        # The KL is a part of the VAE's bits/dim, which are not in question here.
        assert claims[place].verdict.value == verdict
    else:
        assert verdicts(claims) == all_but(5, place, verdict)


@pytest.mark.parametrize(("bound", "place"), [("single", 3), ("weighted", 4)])
@pytest.mark.parametrize(
    ("bits", "verdict"),
    [
        # All later steps lose, or one of them does.
        ((5.2, 4.9, 5.0, 5.1, 5.2), NOT_HELD),
        ((5.2, 4.9, 4.91, 4.75, 4.74), NOT_HELD),
        ((5.2, 4.9, 4.8, 4.81, 4.74), NOT_HELD),
        ((5.2, 4.9, 4.8, 4.75, 4.76), NOT_HELD),
        ((5.2, 4.9, 4.8, 4.75, 4.75), UNDECIDED),
        # One of the later gains is the largest.
        ((5.2, 4.9, 4.5, 4.45, 4.44), NOT_HELD),
        ((5.2, 4.9, 4.8, 4.4, 4.39), NOT_HELD),
        ((5.2, 4.9, 4.8, 4.75, 4.35), NOT_HELD),
        ((5.2, 4.9, 4.6, 4.45, 4.44), UNDECIDED),
        ((5.2, 5.3, 5.2, 5.1, 5.0), NOT_HELD),
    ],
)
def test_gains_of_figure_4(bound, place, bits, verdict):
    assert verdicts(figure4(**{bound: bits})) == all_but(5, place, verdict)


def test_figure_4_compares_every_step():
    claims = figure4()
    assert numbers(claims[0]) == [
        ("KL, lambda 1 - 2", 0.8, "above"),
        ("KL, lambda 2 - 4", 0.6, "above"),
        ("KL, lambda 4 - 8", 0.14, "above"),
        ("KL, lambda 8 - 12", 0.02, "above"),
    ]
    assert numbers(claims[3]) == [
        ("gain to lambda 2", 0.3, "above"),
        ("gain to lambda 4", 0.1, "above"),
        ("gain to lambda 8", 0.05, "above"),
        ("gain to lambda 12", 0.01, "above"),
        ("gain to 2 - gain to 4", 0.2, "above"),
        ("gain to 2 - gain to 8", 0.25, "above"),
        ("gain to 2 - gain to 12", 0.29, "above"),
    ]


@pytest.mark.parametrize(
    ("mean", "verdict"), [(0.01, HELD), (-0.01, NOT_HELD), (0, UNDECIDED)]
)
def test_figure_5(mean, verdict):
    assert verdicts(figure5_claims(values(mean))) == [verdict]


FIGURE_7 = {
    BEFORE: (0.2, 19, 20),
    ABLATION: (0.0099, 38.1, 1.99),
    CONTROL: (0.101, 19, 20),
}


@pytest.mark.parametrize(
    ("changed", "place", "verdict"),
    [
        ({}, 0, HELD),
        ({ABLATION: (0.0102, 38.1, 1.99)}, 0, NOT_HELD),
        ({ABLATION: (0.0100, 38.1, 1.99)}, 0, UNDECIDED),
        ({CONTROL: (0.099, 19, 20)}, 1, NOT_HELD),
        ({CONTROL: (0.100, 19, 20)}, 1, UNDECIDED),
        ({ABLATION: (0.0098, 37.9, 1.99)}, 2, NOT_HELD),
        ({ABLATION: (0.0098, 38.0, 1.99)}, 2, UNDECIDED),
        ({ABLATION: (0.0098, 38.1, 2.01)}, 3, NOT_HELD),
        ({ABLATION: (0.0098, 38.1, 2.00)}, 3, UNDECIDED),
        # There was nothing to lose.
        ({BEFORE: (0.2, 19, -1), ABLATION: (0.0098, 38.1, -1)}, 3, NOT_HELD),
        ({BEFORE: (0.2, 19, 0), ABLATION: (0.0098, 38.1, -1)}, 3, UNDECIDED),
    ],
)
def test_figure_7(changed, place, verdict):
    measures = {
        kind: LossMeasures(*(values(mean, 1e-5) for mean in means))
        for kind, means in {**FIGURE_7, **changed}.items()
    }
    assert verdicts(figure7_claims(measures)) == all_but(4, place, verdict)


@pytest.mark.parametrize("bound", ["single", "weighted"])
@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ((4.80, 4.79, 4.78, 4.77, 4.76, 4.75), [HELD, HELD]),
        *(
            ((*[4.8] * step, *[4.7] * (6 - step)), [HELD, UNDECIDED])
            for step in range(1, 6)
        ),
        *(
            # Falls but for a rise of 0.005 at one step.
            (
                tuple(4.8 - 0.01 * i + 0.015 * (i >= step) for i in range(6)),
                [HELD, NOT_HELD],
            )
            for step in range(1, 6)
        ),
        ((4.80, 4.79, 4.78, 4.77, 4.76, 4.81), [NOT_HELD, NOT_HELD]),
        ((4.80, 4.79, 4.78, 4.77, 4.76, 4.80), [UNDECIDED, NOT_HELD]),
    ],
)
def test_figure_8(bound, bits, expected):
    falling = (4.80, 4.79, 4.78, 4.77, 4.76, 4.75)
    rows = {"single": falling, "weighted": falling, bound: bits}
    scores = {
        levels: Scores(values(single), values(weighted), {}, {})
        for levels, single, weighted in zip(COLOR_LEVELS, *rows.values())
    }
    others = [HELD, HELD]
    both = {"single": [*expected, *others], "weighted": [*others, *expected]}
    assert verdicts(figure8_claims(scores)) == both[bound]


def figure9(auxiliary, full):
    titles = [*auxiliaries(SCALES["small"])]
    of_full_size = {
        f"{levels} levels": values(mean) for levels, mean in zip(COLOR_LEVELS, full)
    }
    return figure9_claims(dict(zip(titles, map(values, auxiliary))), of_full_size)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("best", range(6))
def test_figure_9_compares_with_every_full_size_model(place, best):
    full = [2.95] * 6
    full[best] = 2.92
    auxiliary = [2.93] * 4
    for mean, verdict in ((2.969, HELD), (2.971, NOT_HELD), (2.97, UNDECIDED)):
        auxiliary[place] = mean
        # The model of 32 levels is not compared with itself.
        is_itself = place == 1 and best == COLOR_LEVELS.index(32)
        assert verdicts(figure9(auxiliary, full)) == [HELD if is_itself else verdict]


def test_figure_9_has_every_pair_of_two_models():
    (claim,) = figure9([2.93] * 4, [2.92] * 6)
    assert len(claim.comparisons) == 4 * 6 - 1
    assert {number[1:] for number in numbers(claim)} == {(0.01, "below")}


BASELINE_KLS = {
    "auxiliary loss": 0.9,
    "nothing": 0.0449,
    "KL annealing": 0.01,
    "free bits": 0.03,
    "small receptive field": 0.02,
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [HELD, HELD]),
        ({"nothing": 0.0452}, [NOT_HELD, HELD]),
        ({"nothing": 0.0450}, [UNDECIDED, HELD]),
        ({"KL annealing": 0.91}, [HELD, NOT_HELD]),
        ({"free bits": 0.91}, [HELD, NOT_HELD]),
        ({"small receptive field": 0.91}, [HELD, NOT_HELD]),
        ({"free bits": 0.9}, [HELD, UNDECIDED]),
    ],
)
def test_baselines(changed, expected):
    assert [*BASELINE_KLS] == [baseline.title for baseline in BASELINES]
    kls = {title: values(kl, 1e-5) for title, kl in {**BASELINE_KLS, **changed}.items()}
    assert verdicts(baselines_claims(kls)) == expected


def probe_case(changed):
    drawn = {}
    for probed in probed_runs(SCALES["small"]):
        usual = 0.3 if probed.has_auxiliary_loss else 0.1
        drawn[probed] = values(changed.get(probed.title, usual))
    return probe_claims(drawn)


def test_the_probe_compares_every_pair():
    assert verdicts(probe_case({})) == [HELD]
    (claim,) = probe_case({})
    assert len(claim.comparisons) == 6 * 5
    models = probed_runs(SCALES["small"])
    for one, other in itertools.combinations(models, 2):
        changed = {one.title: 0.2, other.title: 0.2}
        expected = HELD
        if one.has_auxiliary_loss != other.has_auxiliary_loss:
            expected = UNDECIDED
        assert verdicts(probe_case(changed)) == [expected]
    for model in models:
        changed = {model.title: 0.09 if model.has_auxiliary_loss else 0.31}
        assert verdicts(probe_case(changed)) == [NOT_HELD]


def test_a_model_that_is_not_worst_but_uncertain_leaves_the_probe_undecided():
    """The worst mean is the surest: the pair in question is another one."""
    models = probed_runs(SCALES["small"])
    drawn = {m: values(0.3 if m.has_auxiliary_loss else 0.1) for m in models}
    drawn[models[0]] = values(0.212, spread=1)
    drawn[models[1]] = values(0.2)
    assert verdicts(probe_claims(drawn)) == [UNDECIDED]


@pytest.mark.parametrize(
    ("agave", "alone", "without", "expected"),
    [
        (4.719, 4.7, 4.7, [HELD, HELD]),
        (4.721, 4.7, 4.72, [NOT_HELD, HELD]),
        (4.721, 4.72, 4.7, [HELD, NOT_HELD]),
        (4.720, 4.7, 4.7, [UNDECIDED, UNDECIDED]),
    ],
)
def test_training_length(agave, alone, without, expected):
    means = {run.title: 5.0 for run in LONG_RUNS} | {
        "lambda 12": agave,
        "PixelCNN++ alone": alone,
        "no auxiliary loss": without,
    }
    bounds = {title: values(mean) for title, mean in means.items()}
    assert verdicts(training_length_claims(bounds)) == expected


def test_pairs_of_columns_have_no_picture_in_common():
    """A change of column 2i or 2i+1 changes the value of pair i alone."""
    rng = np.random.default_rng(0)
    f_z, sample = rng.integers(0, 256, [2, 6, 4, 4, 3], np.uint8)
    usual = nearer_to_own(f_z, sample)
    assert usual.shape == (3,)
    for column in range(6):
        changed = f_z.copy()
        changed[column] = 255 - changed[column]
        differs = nearer_to_own(changed, sample) != usual
        assert np.flatnonzero(differs).tolist() == [column // 2]


def test_a_sample_is_nearer_to_its_own_f_z_by_their_distance():
    f_z = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (10, 30, 7, 8)])
    # Each sample is its own f(z), or the other one of its pair.
    np.testing.assert_allclose(nearer_to_own(f_z, f_z), [20, 1])
    np.testing.assert_allclose(nearer_to_own(f_z, f_z[[1, 0, 3, 2]]), [-20, -1])


def test_samples_of_one_f_z_are_more_alike_only_if_they_depend_on_it():
    rng = np.random.default_rng(1)
    # 4 samples of each of 200 f(z), which have a colour of their own, or do not.
    colour = rng.integers(0, 100, [1, 200, 1, 1, 1])
    noise = rng.integers(0, 100, [4, 200, 4, 4, 3])
    alike = alike_for_one_f_z((colour + noise).astype(np.uint8))
    assert alike.shape == (100,) and alike.mean() > 5
    # Four standard errors of independent samples; false with probability 6e-5.
    independent = alike_for_one_f_z(noise.astype(np.uint8))
    assert abs(independent.mean()) < 4 * independent.std(ddof=1) / 10
    flat = np.broadcast_to(np.array([10, 30])[:, None, None, None], (3, 2, 4, 4, 3))
    np.testing.assert_allclose(alike_for_one_f_z(flat), [20])
