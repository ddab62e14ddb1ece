"""Looks for outliers: writes the scores of every picture, and shows the strangest.

bin/score.py --run_dir=runs/small/joint --files=pictures --output=scores.csv

docs/outliers.md says what the scores mean.
"""

import dataclasses

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
    define_paths,
    define_run_dir,
)
from agave_tf.commands.running import run_command
from agave_tf.data.picture_paths import check_picture_paths
from agave_tf.errors import InputError
from agave_tf.runs.run_path import run_path
from agave_tf.settings.data import DataConfig
from agave_tf.settings.scoring import ScoringSettings

# Images that are printed, and drawn by --contact_sheet.
NUM_SHOWN = 10


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model to score with.", values)
    with flag_group("Images to score", values, main=True):
        define_paths(
            "files",
            "Picture files of any size, and folders of them, separated by commas. "
            "Empty: the images of --dataset. Beside --files, the flags of a data set "
            "say where the run's own images are, for the percentiles.",
            values,
        )
    with flag_group("Files to write", values, main=True):
        define_path(
            "output",
            None,
            "File ending in .csv to write the scores of every image to.",
            values,
            required=True,
        )
        define_path(
            "contact_sheet",
            "",
            f"File ending in .png to draw the {NUM_SHOWN} strangest images to, with "
            "f(z) and the bits that each pixel costs; empty: none.",
            values,
        )
    define_settings_of(ScoringSettings, values)
    define_settings_of_run("data", values)


def run(values: flags.FlagValues) -> None:
    """Writes --output, and --contact_sheet."""
    settings = settings_from_flags(ScoringSettings, values)
    check_settings_of_run("data", values)
    check_output_file("output", values.output, ".csv")
    check_optional_file("contact_sheet", values.contact_sheet, ".png")
    _check_beside_files(settings, values)
    check_picture_paths(values.files)
    run_path(values.run_dir)
    run_work("score", values, settings)


def _check_beside_files(settings: ScoringSettings, values: flags.FlagValues) -> None:
    """Refuses flags about a data set that have no effect beside --files."""
    names = ["split", "max_images"]
    if not settings.reference_images:
        names += [field.name for field in dataclasses.fields(DataConfig)]
    given = [name for name in names if values[name].present]
    if values.files and given:
        raise InputError(
            f"`{given[0]}` must not be given with --files, of which all are scored; "
            "got both."
        )


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
