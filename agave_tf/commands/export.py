"""Writes a run's averaged weights as a SavedModel, which needs TensorFlow alone.

bin/export.py --run_dir=runs/cifar10/joint --output_dir=exported/cifar10

docs/export.md lists the signatures. --format=run writes a run directory instead, to
pass on to others who use agave_tf.
"""

from absl import flags

from agave_tf.commands.flags import flag_group
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import define_path, define_run_dir
from agave_tf.commands.running import run_command
from agave_tf.errors import InputError
from agave_tf.interop.export_path import check_output_dir
from agave_tf.runs.run_path import run_path
from agave_tf.settings.image_size import parse_image_size
from agave_tf.whole_file import check_new_directory


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Export", values, main=True):
        define_run_dir("Run directory of the model to export.", values)
        define_path(
            "output_dir",
            None,
            "Directory to write to; it must not exist yet.",
            values,
            required=True,
        )
        flags.DEFINE_enum(
            "format",
            "saved_model",
            ["saved_model", "run"],
            "saved_model: needs TensorFlow alone; run: a run directory without "
            "checkpoints and without paths of this machine, with its scores, its "
            "learning curve as CSV, and a model card.",
            flag_values=values,
        )
        flags.DEFINE_string(
            "image_size",
            "",
            "Size of the images that the signatures for sampling draw, such as 32 or "
            "64x96; the others take images of any size. Empty: that of the run.",
            flag_values=values,
        )
        flags.DEFINE_integer(
            "sampling_batch_size",
            16,
            "Images that the signatures for sampling draw at a time.",
            lower_bound=1,
            flag_values=values,
        )


def run(values: flags.FlagValues) -> None:
    """Writes --output_dir."""
    size = parse_image_size(values.image_size)
    if values.format == "run":
        if size:
            raise InputError(
                "`image_size` must be empty with --format=run, whose run keeps the "
                f"size that it was trained on; got {values.image_size}."
            )
        check_new_directory("output_dir", values.output_dir)
    else:
        check_output_dir(values.output_dir)
    run_path(values.run_dir)
    run_work("export", values, size)


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
