"""How AGAVE, with and without its auxiliary loss, goes on to learn; ours.

The paper compares models after days of training. At a smaller scale those without an
auxiliary loss have the better likelihood; here all go on from the same pretrained
parts, to see whether and when that changes.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.claim import Claim, below
from agave_tf.reproduction.compared_models import (
    LONG_LAMBDAS,
    LONG_PIXEL_CNN,
    LONG_RUNS,
    LONG_WITHOUT_LOSS,
)
from agave_tf.reproduction.report import Report, column
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.runs.event_curves import Curve

# As in Table 1.
_ON_PAR = 0.02
# Its distance to the PixelCNN++ alone would hide the others'.
_FAR_BEHIND = LONG_LAMBDAS[min(LONG_LAMBDAS)]


@dataclasses.dataclass(frozen=True)
class _Row:
    """Scores at the end, and what the model loses against the PixelCNN++ alone."""

    title: str = column("model")
    bits: Estimate = column("ELBO (± images)")
    bound: Estimate = column("importance-weighted bound")
    kl: Estimate | None = column("KL")
    primary: Estimate = column("reconstruction")
    behind: str = column("ELBO - PixelCNN++ alone, on the way")


def training_length(trained: TrainedRuns) -> Report:
    """Shows bits/dim and KL over many more steps, and both at their end."""
    alone = trained.curve(LONG_PIXEL_CNN.run, "")
    rows, bounds, bits_curves, kl_curves, behind_curves = [], {}, {}, {}, {}
    for long_run in LONG_RUNS:
        scores, curve = trained.scores(long_run.run), trained.curve(long_run.run, "")
        bounds[long_run.title], bits_curves[long_run.title] = scores.bound, curve
        has_z = long_run is not LONG_PIXEL_CNN
        behind = np.subtract(curve.values, alone.values) if has_z else []
        if has_z:
            kl_curves[long_run.title] = trained.curve(long_run.run)
        if has_z and long_run is not _FAR_BEHIND:
            behind_curves[long_run.title] = Curve(curve.steps, [*behind])
        # Before the first step the condition is new, and the VAE has its own KL.
        shown = [
            f"{difference:.3f} at {step}"
            for step, difference in zip(curve.steps, behind)
            if step
        ]
        rows.append(
            _Row(
                long_run.title,
                estimate(scores.bits_per_dim),
                estimate(scores.bound),
                estimate(scores.kl) if has_z else None,
                estimate(scores.primary_reconstruction),
                ", ".join(shown),
            )
        )
    charts = [
        Chart("ELBO of held-out images", "step", "bits/dim", _after_start(bits_curves)),
        Chart("KL", "step", "bits/dim", _after_start(kl_curves)),
        Chart(
            "ELBO - PixelCNN++ alone", "step", "bits/dim", _after_start(behind_curves)
        ),
    ]
    title = "Training length: bits/dim and KL over many more steps"
    claims = training_length_claims(bounds)
    return Report(title, rows, claims, draw_charts(charts))


def training_length_claims(bounds: Mapping[str, np.ndarray]) -> list[Claim]:
    """Returns the claims about the largest lambda.

    Args:
      bounds: [S,N] bits/dim, by the titles of `LONG_RUNS`.
    """
    weight = max(LONG_LAMBDAS)
    agave = bounds[LONG_LAMBDAS[weight].title]
    return [
        Claim(
            f"With many more steps, AGAVE with lambda {weight} is within {_ON_PAR} "
            f"bits/dim of {other.title}",
            [below(f"AGAVE - {other.title}", agave - bounds[other.title], _ON_PAR)],
        )
        for other in (LONG_PIXEL_CNN, LONG_WITHOUT_LOSS)
    ]


def _after_start(curves: dict) -> dict:
    """Curves without their first point, which hides the others."""
    return {name: (c.steps[1:], c.values[1:]) for name, c in curves.items()}
