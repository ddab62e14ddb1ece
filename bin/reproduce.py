#!/usr/bin/env python3
"""Trains, evaluates and draws what a table or figure of the paper shows.

bin/reproduce.py --artifact=figure7 --scale=small --output_dir=reproduced

Started again, it goes on where it was. --dry_run prints the runs and their times.
"""

import os
import shlex

from absl import flags

from agave_tf.commands import flags as command_line
from agave_tf.reproduction.artifacts import ARTIFACTS
from agave_tf.reproduction.scales import SCALES
from agave_tf.reproduction.workspace import Workspace

flags.DEFINE_enum("artifact", None, [*ARTIFACTS, "all"], "What.", required=True)
flags.DEFINE_enum("scale", "small", [*SCALES], "How large; paper: as there.")
flags.DEFINE_string("output_dir", None, "Of runs and results.", required=True)
flags.DEFINE_string("data_dir", "", "Where TFDS keeps its data; empty: its default.")
flags.DEFINE_integer("runs_at_once", 1, "Side by side; 2: for two cores.", 1)
flags.DEFINE_boolean("dry_run", False, "Prints the runs, and how long they take.")


def main() -> None:
    """Makes --artifact."""
    given = flags.FLAGS
    names = [*ARTIFACTS] if given.artifact == "all" else [given.artifact]
    workspace = Workspace(given.output_dir, SCALES[given.scale], given.data_dir)
    runs = [run for name in names for run in ARTIFACTS[name].runs]
    if given.dry_run:
        total = 0.0
        for run in workspace.needed(runs):
            seconds = workspace.estimate(run)
            total += seconds
            print(f"# about {_time(seconds)}")
            print(shlex.join(workspace.command(run)))
        print(f"# about {_time(total)} of training in all")
        print(f"# on {workspace.scale.hardware}")
        return
    results = os.path.join(given.output_dir, "results")
    for name in names:
        workspace.train(ARTIFACTS[name].runs, given.runs_at_once)
        report = ARTIFACTS[name].make(workspace)
        report.write(results, name)
        print(report.markdown())


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


if __name__ == "__main__":
    command_line.run(main)
