"""Trains, evaluates and draws the runs of a table or figure of the paper.

bin/reproduce.py --artifact=figure7 --scale=small --output_dir=reproduced

Started again, it goes on where it stopped. --dry_run prints the runs and their times.
"""

from absl import flags

from agave_tf.commands.flags import flag_group
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import define_path
from agave_tf.commands.running import run_command
from agave_tf.reproduction.scales import SCALES
from agave_tf.settings.reproduction import ARTIFACT_NAMES


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Reproduction", values, main=True):
        flags.DEFINE_enum(
            "artifact",
            None,
            [*ARTIFACT_NAMES, "all"],
            "Table or figure of the paper to reproduce.",
            required=True,
            flag_values=values,
        )
        flags.DEFINE_enum(
            "scale",
            "small",
            [*SCALES],
            "Size of networks and images, and length of training. paper: as in the "
            "paper; medium: a day on two CPU cores; two_hours: table1 and "
            "training_time of the model in pretrained/; small: hours on them; toy: "
            "only shows that everything runs.",
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
        flags.DEFINE_integer(
            "num_seeds",
            0,
            "Trainings of each run, which differ in their seed; more make intervals "
            "narrower, and add to those that are there. 0: as many as --scale has, "
            "which may have more for Table 1.",
            lower_bound=0,
            upper_bound=100,
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
    is_all = values.artifact == "all"
    run_work("reproduce", values, ARTIFACT_NAMES if is_all else (values.artifact,))


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
