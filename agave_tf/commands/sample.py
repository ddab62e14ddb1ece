"""Draws pictures from a run as a PNG: a row for each kind, an image in each column.

bin/sample.py --run_dir=runs/cifar10/joint --mode=prior --output=samples.png
"""

from absl import flags

from agave_tf.commands.flags import (
    check_settings_of_run,
    define_settings_of,
    define_settings_of_run,
    flag_group,
    settings_from_flags,
)
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import (
    check_optional_file,
    check_output_file,
    define_path,
    define_run_dir,
)
from agave_tf.commands.running import run_command
from agave_tf.runs.run_path import run_path
from agave_tf.settings.pictures import PictureSettings


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model to draw from.", values)
    with flag_group("Files to write", values, main=True):
        define_path(
            "output",
            None,
            "File ending in .png to write the picture to.",
            values,
            required=True,
        )
        define_path(
            "save_npz",
            "",
            "File ending in .npz to write the images of every row to; empty: none.",
            values,
        )
    define_settings_of(PictureSettings, values)
    with flag_group("Layout of the picture", values):
        flags.DEFINE_integer(
            "scale",
            3,
            "Factor by which the images are enlarged in the picture.",
            lower_bound=1,
            flag_values=values,
        )
        flags.DEFINE_boolean(
            "captions", True, "Write a caption beside every row.", flag_values=values
        )
    define_settings_of_run("data", values)


def run(values: flags.FlagValues) -> None:
    """Writes --output, and --save_npz."""
    settings = settings_from_flags(PictureSettings, values)
    check_settings_of_run("data", values)
    check_output_file("output", values.output, ".png")
    check_optional_file("save_npz", values.save_npz, ".npz")
    run_path(values.run_dir)
    run_work("sample", values, settings)


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
