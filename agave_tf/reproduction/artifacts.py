"""The tables and figures of Lucas & Verbeek 2018, section 4, and four of our own."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from agave_tf.reproduction.auxiliary_images import figure8, figure9
from agave_tf.reproduction.auxiliary_loss import baselines, figure7
from agave_tf.reproduction.compared_models import (
    ABLATION,
    BASELINES,
    CONTROL,
    CURVES,
    FIGURE2,
    LAMBDAS,
    LONG_RUNS,
    TABLE1,
    auxiliaries,
    full_size,
    lambda_run,
    main_run,
    probed_runs,
)
from agave_tf.reproduction.lambda_reconstructions import figure3
from agave_tf.reproduction.lambda_sweep import figure4
from agave_tf.reproduction.learning_curves import learning_curves
from agave_tf.reproduction.likelihoods import table1
from agave_tf.reproduction.probe_accuracy import probe
from agave_tf.reproduction.report import Report
from agave_tf.reproduction.samples import figure2, figure5, figure6
from agave_tf.reproduction.scales import Scale
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.reproduction.training_length import training_length
from agave_tf.reproduction.workspace import Workspace


class Artifact(NamedTuple):
    """A table or figure.

    runs: gives the names of `planned_runs`, which it shows with every seed.
    report: makes it from the trained runs.
    """

    runs: Callable[[Scale], list[str]]
    report: Callable[[TrainedRuns], Report]

    def make(self, workspace: Workspace) -> Report:
        """Makes the report from a workspace in which the runs are trained."""
        runs = self.runs(workspace.scale)
        made_from = workspace.trained.provenance(runs)
        return dataclasses.replace(self.report(workspace.trained), made_from=made_from)


ARTIFACTS: dict[str, Artifact] = {
    "table1": Artifact(lambda _: [*TABLE1.values()], table1),
    "figure2": Artifact(lambda _: [*FIGURE2.values()], figure2),
    "figure3": Artifact(lambda _: [*map(lambda_run, LAMBDAS)], figure3),
    "figure4": Artifact(lambda _: [*map(lambda_run, LAMBDAS)], figure4),
    "figure5": Artifact(lambda scale: [main_run(scale)], figure5),
    "figure6": Artifact(lambda scale: [main_run(scale)], figure6),
    "figure7": Artifact(lambda scale: [main_run(scale), ABLATION, CONTROL], figure7),
    "figure8": Artifact(lambda scale: [*full_size(scale).values()], figure8),
    "figure9": Artifact(
        lambda scale: [*full_size(scale).values(), *auxiliaries(scale).values()],
        figure9,
    ),
    "baselines": Artifact(lambda _: [b.run for b in BASELINES], baselines),
    "probe": Artifact(lambda scale: [p.run for p in probed_runs(scale)], probe),
    "training_length": Artifact(lambda _: [r.run for r in LONG_RUNS], training_length),
    "learning_curves": Artifact(lambda _: [*CURVES.values()], learning_curves),
}
