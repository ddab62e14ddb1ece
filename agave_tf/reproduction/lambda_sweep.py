"""Figure 4: bits/dim and their parts over lambda."""

import dataclasses
from collections.abc import Mapping

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.claim import Claim, above
from agave_tf.reproduction.compared_models import LAMBDAS, lambda_run
from agave_tf.reproduction.report import (
    Chart,
    Report,
    artifact,
    column,
    draw_charts,
    headings_of,
)
from agave_tf.reproduction.trained_runs import Scores, TrainedRuns

_STEPS = list(zip(LAMBDAS, LAMBDAS[1:]))


@dataclasses.dataclass(frozen=True)
class _Figure4Row:
    """A model's scores in bits/dim; y has as many dimensions as x.

    C_VAE is the code length of y (Eq. 8). C_AGAVE adds that of x given z, and is the
    code length of both (Eq. 9).
    """

    weight: int = column("lambda")
    vae: Estimate = column("VAE, C_VAE of Eq. 8 (± images ± seeds)")
    code_length: Estimate = column("C_AGAVE of Eq. 9")
    pixel_cnn: Estimate = column("PixelCNN++, single-sample bound")
    bound: Estimate = column("PixelCNN++, importance-weighted bound")
    kl: Estimate = column("KL")
    auxiliary_reconstruction: Estimate = column("reconstruction of the VAE")
    primary_reconstruction: Estimate = column("reconstruction of the PixelCNN++")


@artifact(lambda _: [*map(lambda_run, LAMBDAS)])
def figure4(trained: TrainedRuns) -> Report:
    """Makes Figure 4: bits/dim and their parts for each lambda."""
    scores = {weight: trained.scores(lambda_run(weight)) for weight in LAMBDAS}
    rows = [
        _Figure4Row(
            weight,
            vae=estimate(score.vae),
            code_length=estimate(score.vae + score.primary_reconstruction),
            pixel_cnn=estimate(score.bits_per_dim),
            bound=estimate(score.bound),
            kl=estimate(score.kl),
            auxiliary_reconstruction=estimate(score.auxiliary_reconstruction),
            primary_reconstruction=estimate(score.primary_reconstruction),
        )
        for weight, score in scores.items()
    ]
    parts = ("kl", "auxiliary_reconstruction", "primary_reconstruction")
    charts = [
        _chart("Bits/dim", rows, ("vae", "pixel_cnn", "bound")),
        _chart("Its parts", rows, parts),
    ]
    title = "Figure 4: bits/dim and their parts over lambda"
    return Report(title, rows, figure4_claims(scores), [draw_charts(charts)])


def figure4_claims(scores: Mapping[int, Scores]) -> list[Claim]:
    """Returns the claims of Figure 4.

    Args:
      scores: the scores of each model, whose y has the size of x, by `LAMBDAS`.
    """
    falls = [
        above(f"KL, lambda {a} - {b}", scores[a].kl - scores[b].kl) for a, b in _STEPS
    ]
    pixel_cnn_rises = [
        above(
            f"reconstruction, lambda {b} - {a}",
            scores[b].primary_reconstruction - scores[a].primary_reconstruction,
        )
        for a, b in _STEPS
    ]
    return [
        Claim("KL falls with each larger lambda", falls),
        _vae_worsens(scores),
        Claim(
            "The PixelCNN++'s reconstruction term rises with each larger lambda",
            pixel_cnn_rises,
        ),
        _gains(scores, "single-sample bound"),
        _gains(scores, "importance-weighted bound"),
    ]


def _vae_worsens(scores: Mapping[int, Scores]) -> Claim:
    rises = [
        comparison
        for a, b in _STEPS
        for comparison in (
            above(
                f"reconstruction, lambda {b} - {a}",
                scores[b].auxiliary_reconstruction - scores[a].auxiliary_reconstruction,
            ),
            above(f"bits/dim, lambda {b} - {a}", scores[b].vae - scores[a].vae),
        )
    ]
    return Claim(
        "The VAE's reconstruction term rises and its bits/dim worsen with each larger "
        "lambda",
        rises,
    )


def _gains(scores: Mapping[int, Scores], bound: str) -> Claim:
    """Returns the claim about the bits/dim that larger lambdas gain, by one bound."""
    bounds = {weight: scores[weight].bounds[bound] for weight in LAMBDAS}
    gains = {after: bounds[before] - bounds[after] for before, after in _STEPS}
    first, *later = gains
    return Claim(
        f"Bits/dim gain from lambda {LAMBDAS[0]} to {first}, and by smaller but "
        f"consistent gains from then on ({bound})",
        [
            *(above(f"gain to lambda {w}", gain) for w, gain in gains.items()),
            *(
                above(f"gain to {first} - gain to {w}", gains[first] - gains[w])
                for w in later
            ),
        ],
    )


def _chart(title: str, rows: list[_Figure4Row], fields: tuple[str, ...]) -> Chart:
    headings, weights = headings_of(_Figure4Row), [row.weight for row in rows]
    curves = {
        headings[field].split(" (")[0]: (
            weights,
            [getattr(row, field).mean for row in rows],
        )
        for field in fields
    }
    return Chart(title, "lambda", "bits/dim", curves)
