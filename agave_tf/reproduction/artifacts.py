"""Every table and figure of section 4, and ours beside them: its runs, how it is made.

Figures are of Lucas & Verbeek 2018.
"""

from collections.abc import Callable
from typing import NamedTuple

from agave_tf.reproduction.auxiliary_images import figure8, figure9
from agave_tf.reproduction.auxiliary_loss import baselines, figure7, probe
from agave_tf.reproduction.lambda_sweep import figure3, figure4
from agave_tf.reproduction.likelihoods import table1
from agave_tf.reproduction.planned_runs import (
    AUXILIARIES,
    BASELINES,
    COLOR_LEVELS,
    LAMBDAS,
    MAIN,
    PROBED,
    SEEDS,
    lambda_run,
    levels_run,
)
from agave_tf.reproduction.report import Report
from agave_tf.reproduction.samples import figure2, figure5, figure6
from agave_tf.reproduction.workspace import Workspace


class Artifact(NamedTuple):
    """A table or figure.

    runs: names of the planned runs it shows.
    make: from a workspace where they are trained.
    """

    runs: list[str]
    make: Callable[[Workspace], Report]


_PRETRAINED = ["pretrain_vae", "pretrain_pixel_cnn"]
_OF_LAMBDA = [lambda_run(weight) for weight in LAMBDAS]
_OF_LEVELS = [levels_run(levels) for levels in COLOR_LEVELS]
_AFTER_JOINT = [f"{kind}_seed_{s}" for kind in ("ablation", "control") for s in SEEDS]

ARTIFACTS: dict[str, Artifact] = {
    "table1": Artifact([*_PRETRAINED, "longer_pixel_cnn", _OF_LAMBDA[-1]], table1),
    "figure2": Artifact([*_PRETRAINED, _OF_LAMBDA[-1]], figure2),
    "figure3": Artifact(_OF_LAMBDA, figure3),
    "figure4": Artifact(_OF_LAMBDA, figure4),
    "figure5": Artifact([MAIN], figure5),
    "figure6": Artifact([MAIN], figure6),
    "figure7": Artifact([MAIN, *_AFTER_JOINT], figure7),
    "figure8": Artifact(_OF_LEVELS, figure8),
    "figure9": Artifact([*_OF_LEVELS, *AUXILIARIES.values()], figure9),
    "baselines": Artifact([*BASELINES.values()], baselines),
    "probe": Artifact([name for name, _ in PROBED.values()], probe),
}
