"""Trains, evaluates and draws the runs of a table or figure of the paper.

bin/reproduce.py --artifact=figure7 --scale=small --output_dir=reproduced

Started again, it goes on where it stopped. --dry_run prints the runs and their times.
"""

import os
import shlex
from collections.abc import Iterable

from absl import flags, logging

from agave_tf.commands.flags import flag_group
from agave_tf.commands.paths import define_path
from agave_tf.commands.running import run_command
from agave_tf.reproduction.artifacts import ARTIFACTS, claims_table
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.workspace import Workspace
from agave_tf.whole_file import write_text


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Reproduction", values, main=True):
        flags.DEFINE_enum(
            "artifact",
            None,
            [*ARTIFACTS, "all"],
            "Table or figure of the paper to reproduce.",
            required=True,
            flag_values=values,
        )
        flags.DEFINE_enum(
            "scale",
            "small",
            [*SCALES],
            "Size of networks and images, and length of training. paper: as in the "
            "paper; medium: a day on two CPU cores; small: hours on them; toy: only "
            "shows that everything runs.",
            flag_values=values,
        )
        help_text = "Directory for the runs and the results."
        define_path("output_dir", None, help_text, values, required=True)
        help_text = (
            "Directory in which TFDS keeps its data sets; empty: TFDS's default."
        )
        define_path("data_dir", "", help_text, values)
        flags.DEFINE_integer(
            "runs_at_once",
            1,
            "Runs to train at the same time; 2 suits two CPU cores.",
            lower_bound=1,
            flag_values=values,
        )
        flags.DEFINE_boolean(
            "dry_run",
            False,
            "Only print the commands of the runs, and estimates of their times.",
            flag_values=values,
        )


def run(values: flags.FlagValues) -> None:
    """Makes --artifact."""
    names = [*ARTIFACTS] if values.artifact == "all" else [values.artifact]
    scale = SCALES[values.scale]
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
        table = claims_table(results, ARTIFACTS)
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


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
