"""Codes images with a trained model: a file of the size of its bits/dim, losslessly.

bin/compress.py --run_dir=runs/small/joint --files=pictures --output=pictures.agave

bin/decompress.py gives the same images, bit for bit, with the same model, on any
machine.
"""

import dataclasses

from absl import flags

from agave_tf.commands.devices import define_threads
from agave_tf.commands.flags import (
    check_settings_of_run,
    define_settings_of,
    define_settings_of_run,
    flag_group,
    settings_from_flags,
)
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import (
    check_output_file,
    define_path,
    define_paths,
    define_run_dir,
)
from agave_tf.commands.running import run_command
from agave_tf.data.picture_paths import check_picture_paths
from agave_tf.errors import InputError
from agave_tf.runs.run_path import run_path
from agave_tf.settings.coding import CodecSettings
from agave_tf.settings.data import DataConfig

SUFFIX = ".agave"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model to code with.", values)
    _define_image_flags(values)
    with flag_group("File to write", values, main=True):
        define_path(
            "output", None, f"File ending in {SUFFIX} to write.", values, required=True
        )
    define_settings_of(CodecSettings, values)
    with flag_group("Checks", values, main=True):
        flags.DEFINE_boolean(
            "verify",
            True,
            "Decode the file and compare all that comes out, before the command "
            "succeeds.",
            flag_values=values,
        )
        flags.DEFINE_boolean(
            "bound",
            True,
            "Also compute the model's bound, to show beside the size of the file.",
            flag_values=values,
        )
    define_threads(values)
    define_settings_of_run("data", values)


def _define_image_flags(values: flags.FlagValues) -> None:
    with flag_group("Images to code", values, main=True):
        define_paths(
            "files",
            "Picture files, and folders of them, separated by commas, of any sizes, "
            "gray or RGB. Empty: the images of the run's data set.",
            values,
        )
        flags.DEFINE_enum(
            "split",
            "test",
            ["test", "train"],
            "Part of the data set, if there are no --files.",
            flag_values=values,
        )
        flags.DEFINE_integer(
            "max_images",
            0,
            "Images of the data set to code, a random choice as of bin/evaluate.py; 0: "
            "all.",
            lower_bound=0,
            flag_values=values,
        )


def run(values: flags.FlagValues) -> None:
    """Writes --output."""
    settings = settings_from_flags(CodecSettings, values)
    check_settings_of_run("data", values)
    check_output_file("output", values.output, SUFFIX)
    _check_image_flags(values)
    check_picture_paths(values.files)
    run_path(values.run_dir)
    run_work("compress", values, settings)


def _check_image_flags(values: flags.FlagValues) -> None:
    """Refuses flags about a data set beside --files, where they have no effect."""
    names = ["split", "max_images", *(f.name for f in dataclasses.fields(DataConfig))]
    given = [name for name in names if values[name].present]
    if values.files and given:
        raise InputError(
            f"`{given[0]}` must not be given with --files, which are coded as they "
            f"are; got both."
        )


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
