"""The tables and figures of Lucas & Verbeek 2018, section 4, and four of our own."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from agave_tf.reproduction.auxiliary_images import figure8, figure9
from agave_tf.reproduction.auxiliary_loss import baselines, figure7
from agave_tf.reproduction.compared_models import (
    ABLATION,
    AUXILIARIES,
    BASELINES,
    COLOR_LEVELS,
    CONTROL,
    CURVES,
    LAMBDAS,
    LONG_RUNS,
    MAIN,
    PROBED,
    TABLE1,
    lambda_run,
    levels_run,
)
from agave_tf.reproduction.lambda_sweep import figure3, figure4
from agave_tf.reproduction.learning_curves import learning_curves
from agave_tf.reproduction.likelihoods import table1
from agave_tf.reproduction.probe_accuracy import probe
from agave_tf.reproduction.report import Report
from agave_tf.reproduction.samples import figure2, figure5, figure6
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.reproduction.training_length import training_length
from agave_tf.reproduction.workspace import Workspace


class Artifact(NamedTuple):
    """A table or figure.

    runs: names of `planned_runs`, which it shows with every seed.
    report: makes it from the trained runs.
    """

    runs: list[str]
    report: Callable[[TrainedRuns], Report]

    def make(self, workspace: Workspace) -> Report:
        """Makes the report from a workspace in which the runs are trained."""
        made_from = workspace.trained.provenance(self.runs)
        return dataclasses.replace(self.report(workspace.trained), made_from=made_from)


_PRETRAINED = ["pretrain_vae", "pretrain_pixel_cnn"]
_BY_LAMBDA = [lambda_run(weight) for weight in LAMBDAS]
_BY_LEVELS = [levels_run(levels) for levels in COLOR_LEVELS]

ARTIFACTS: dict[str, Artifact] = {
    "table1": Artifact([*TABLE1.values()], table1),
    "figure2": Artifact([*_PRETRAINED, _BY_LAMBDA[-1]], figure2),
    "figure3": Artifact(_BY_LAMBDA, figure3),
    "figure4": Artifact(_BY_LAMBDA, figure4),
    "figure5": Artifact([MAIN], figure5),
    "figure6": Artifact([MAIN], figure6),
    "figure7": Artifact([MAIN, ABLATION, CONTROL], figure7),
    "figure8": Artifact(_BY_LEVELS, figure8),
    "figure9": Artifact([*_BY_LEVELS, *AUXILIARIES.values()], figure9),
    "baselines": Artifact([baseline.run for baseline in BASELINES], baselines),
    "probe": Artifact([probed.run for probed in PROBED], probe),
    "training_length": Artifact([run.run for run in LONG_RUNS], training_length),
    "learning_curves": Artifact([*CURVES.values()], learning_curves),
}
