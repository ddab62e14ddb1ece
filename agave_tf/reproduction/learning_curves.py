"""Learning curves beside those of the original code: does it learn like them?"""

import dataclasses
from typing import NamedTuple

from agave_tf.reproduction.charts import Chart, draw_charts
from agave_tf.reproduction.planned_runs import CURVES
from agave_tf.reproduction.report import Report, column
from agave_tf.reproduction.trained_runs import TrainedRuns


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
    ours: float = column("ours")
    difference: float = column("ours - original")


def learning_curves(trained: TrainedRuns) -> Report:
    """Makes a table and a chart of our curves beside the originals', bits/dim."""
    rows, charts = [], []
    for original in ORIGINALS:
        curve = trained.curve(CURVES[original.stage], "")
        ours = dict(zip(curve.steps, curve.values, strict=True))
        rows += [
            _Row(original.title, step, bits, ours[step], ours[step] - bits)
            for step, bits in original.bits_per_dim.items()
            if step in ours
        ]
        shown = {step: bits for step, bits in ours.items() if step >= 100}
        points = {"ours": shown, "original": original.bits_per_dim}
        curves = {name: (list(c), list(c.values())) for name, c in points.items()}
        charts.append(Chart(original.title, "step", "bits/dim", curves))
    title = "Learning curves of our code beside the originals', CIFAR-10 at 16x16"
    return Report(title, rows, figure=draw_charts(charts))
