"""Draws pictures from a run as a PNG: a row for each kind, an image in each column.

bin/sample.py --run_dir=runs/cifar10/joint --mode=prior --output=samples.png
"""

from absl import flags

from agave_tf.commands.flags import (
    define_run_dir,
    define_settings_of,
    define_settings_of_run,
    settings_from_flags,
    with_flags,
)
from agave_tf.commands.output_file import check_optional_file, check_output_file
from agave_tf.commands.running import run_command
from agave_tf.pictures.draw_rows import draw_rows
from agave_tf.pictures.grid import write_png
from agave_tf.pictures.picture_row import rows_grid
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import open_run
from agave_tf.settings.pictures import PictureSettings
from agave_tf.whole_file import write_npz


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    define_settings_of_run("data", values)
    define_settings_of(PictureSettings, values)
    define_run_dir("Run directory of the model to draw from.", values)
    flags.DEFINE_string(
        "output",
        None,
        "File ending in .png to write the picture to.",
        required=True,
        flag_values=values,
    )
    flags.DEFINE_string(
        "save_npz",
        "",
        "File ending in .npz to write the images of every row to; empty: none.",
        flag_values=values,
    )
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


def run(values: flags.FlagValues) -> None:
    """Writes --output, and --save_npz."""
    settings = settings_from_flags(PictureSettings, values)
    check_output_file("output", values.output, ".png")
    check_optional_file("save_npz", values.save_npz, ".npz")
    source = open_run(values.run_dir)
    model = source.load_model()
    images = None
    if settings.shows_images or model.num_classes:
        data = with_flags(source.config, "data", values).data
        images = load_run_data(source, data, [settings.split]).part(settings.split)
        source.check_images(images)
        images = images.some(settings.first_image, settings.num_images)
    rows = draw_rows(model, settings, images)
    write_png(values.output, rows_grid(rows, values.scale, values.captions))
    if values.save_npz:
        names = [f"{i:02d} {row.caption}" for i, row in enumerate(rows)]
        write_npz(values.save_npz, dict(zip(names, [row.images for row in rows])))
    print(values.output)


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
