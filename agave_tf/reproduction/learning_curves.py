"""Learning curves: ours beside those of the original code, and over many more steps.

Both are ours. The first shows that our code learns like the originals. The second shows
how AGAVE, with and without its auxiliary loss, goes on to learn: the paper compares
models after days of training. At a smaller scale those without an auxiliary loss have
the better likelihood; here all go on from the same pretrained parts, to see whether and
when that changes.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.claim import Claim, below
from agave_tf.reproduction.compared_models import (
    CURVES,
    LONG_LAMBDAS,
    LONG_PIXEL_CNN,
    LONG_RUNS,
    LONG_WITHOUT_LOSS,
)
from agave_tf.reproduction.report import Chart, Report, artifact, column, draw_charts
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.runs.event_curves import Curve

# As in Table 1.
_ON_PAR = 0.02
# A run so far behind the PixelCNN++ alone that its curve would flatten the others.
_FAR_BEHIND = LONG_LAMBDAS[min(LONG_LAMBDAS)]


class OriginalCurve(NamedTuple):
    """Bits/dim of an original's raw weights on the first 1,000 test images.

    Made by running it under TensorFlow 2.21 with the settings of
    flags/learning_curves.flags. The IAF-VAE's bound has a single sample.
    """

    title: str
    stage: str
    bits_per_dim: dict[int, float]  # by step


ORIGINALS = (
    OriginalCurve(
        "PixelCNN++ (openai/pixel-cnn)",
        "pretrain_pixel_cnn",
        {
            100: 5.844,
            250: 5.425,
            500: 5.166,
            2500: 4.783,
            2750: 4.750,
            3000: 4.739,
        },
    ),
    OriginalCurve(
        "IAF-VAE (openai/iaf)",
        "pretrain_vae",
        {100: 9.782, 250: 9.358, 2250: 6.129, 3000: 5.920},
    ),
)


@dataclasses.dataclass(frozen=True)
class _CurveRow:
    model: str = column("model")
    step: int = column("step")
    original: float = column("original")
    ours: Estimate = column("ours (± seeds)")
    difference: float = column("ours - original")


@artifact(lambda _: [*CURVES.values()])
def learning_curves(trained: TrainedRuns) -> Report:
    """Makes a table and a chart of our curves beside the originals', bits/dim."""
    rows, charts = [], []
    for original in ORIGINALS:
        name = CURVES[original.stage]
        ours = {
            f"ours, seed {seed}": dict(zip(*trained.curve(name, "", seed)))
            for seed in trained.seeds(name)
        }
        for step, bits in original.bits_per_dim.items():
            # One mean over the images for each seed.
            values = np.array([[curve[step]] for curve in ours.values()])
            mean = float(values.mean())
            rows.append(
                _CurveRow(original.title, step, bits, estimate(values), mean - bits)
            )
        first = min(original.bits_per_dim)
        shown = {**ours, "original": original.bits_per_dim}
        curves = {name: _from_step(first, curve) for name, curve in shown.items()}
        title = original.title
        charts.append(Chart(title, "step", "bits/dim", curves, points=("original",)))
    title = "Learning curves of our code beside the originals', CIFAR-10 at 16x16"
    return Report(title, rows, figure=[draw_charts(charts)])


def _from_step(first: int, curve: dict[int, float]) -> Curve:
    """Returns the points of a curve, values by step, from the step `first` on."""
    steps = [step for step in curve if step >= first]
    return Curve(steps, [curve[step] for step in steps])


@dataclasses.dataclass(frozen=True)
class _LengthRow:
    """A model's scores at the end, and how far it is behind the PixelCNN++ alone."""

    title: str = column("model")
    bits: Estimate = column("ELBO (± images)")
    bound: Estimate = column("importance-weighted bound")
    kl: Estimate | None = column("KL")
    primary: Estimate = column("reconstruction")
    behind: str = column("ELBO - PixelCNN++ alone, on the way")


@artifact(lambda _: [long_run.run for long_run in LONG_RUNS])
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
            _LengthRow(
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
    return Report(title, rows, claims, [draw_charts(charts)])


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
    """Leaves out each curve's first point, whose value would flatten the others."""
    return {name: (c.steps[1:], c.values[1:]) for name, c in curves.items()}
