"""Learning curves beside those of the original code: does it learn like them?"""

import dataclasses
from typing import NamedTuple

import numpy as np

from agave_tf.evaluation.estimate import Estimate, estimate
from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.compared_models import CURVES
from agave_tf.reproduction.report import Report, column
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.runs.event_curves import Curve


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
class _Row:
    model: str = column("model")
    step: int = column("step")
    original: float = column("original")
    ours: Estimate = column("ours (± seeds)")
    difference: float = column("ours - original")


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
            rows.append(_Row(original.title, step, bits, estimate(values), mean - bits))
        first = min(original.bits_per_dim)
        shown = {**ours, "original": original.bits_per_dim}
        curves = {name: _from_step(first, curve) for name, curve in shown.items()}
        title = original.title
        charts.append(Chart(title, "step", "bits/dim", curves, points=("original",)))
    title = "Learning curves of our code beside the originals', CIFAR-10 at 16x16"
    return Report(title, rows, figure=draw_charts(charts))


def _from_step(first: int, curve: dict[int, float]) -> Curve:
    """The part of a curve, values by step, that begins with a step."""
    steps = [step for step in curve if step >= first]
    return Curve(steps, [curve[step] for step in steps])
