"""The work of bin/reproduce.py: trains and scores runs, and reports on them."""

import os
import shlex
from collections.abc import Iterable, Sequence

from absl import flags, logging

from agave_tf.reproduction.artifacts import ARTIFACTS, claims_table
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.workspace import Workspace
from agave_tf.settings.reproduction import ARTIFACT_NAMES
from agave_tf.whole_file import write_text


def run(values: flags.FlagValues, names: Sequence[str]) -> None:
    """Makes artifacts, or prints the runs that they need.

    Args:
      values: of the flags.
      names: of the artifacts.
    """
    scale = SCALES[values.scale].with_seeds(values.num_seeds)
    workspace = Workspace(values.output_dir, scale, values.data_dir)
    if values.dry_run:
        runs = [run for name in names for run in ARTIFACTS[name].runs(scale)]
        _print_plan(workspace, runs, values.runs_at_once)
        return
    results = os.path.join(values.output_dir, "results")
    for name in names:
        workspace.train(ARTIFACTS[name].runs(scale), values.runs_at_once)
        logging.info("%s: its runs are trained; evaluating and drawing", name)
        report = ARTIFACTS[name].make(workspace.trained)
        report.write(results, name)
        print(report.markdown())
        # The table has all artifacts with results, also those of earlier commands.
        table = claims_table(results, ARTIFACT_NAMES)
        write_text(os.path.join(results, "claims.md"), table)


def _print_plan(workspace: Workspace, names: Iterable[str], at_once: int) -> None:
    """Prints the commands of the runs, in a form that a shell can run."""
    total = 0.0
    for planned in workspace.needed(names):
        seconds = workspace.estimate(planned)
        total += seconds
        print(f"# about {_time(seconds)}")
        print(shlex.join(workspace.command(planned)))
    print(f"# about {_time(total / at_once)} of training, {at_once} at a time")
    print(f"# estimated for {workspace.scale.hardware}")


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
