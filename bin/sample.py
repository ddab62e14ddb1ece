#!/usr/bin/env python3
"""Draws pictures from a run as a PNG: a row for each kind, an image in each column.

bin/sample.py --run_dir=runs/cifar10/joint --mode=prior --output=samples.png
"""

from absl import flags

from agave_tf.commands import flags as command_line
from agave_tf.data.load import load_images
from agave_tf.pictures.grid import write_png
from agave_tf.pictures.rows import draw_rows, rows_grid
from agave_tf.runs.run_directory import open_run
from agave_tf.settings.pictures import PictureConfig
from agave_tf.whole_file import write_npz

command_line.define_settings("data")
command_line.define_settings_of(PictureConfig)
command_line.define_run_dir("The run to draw from.")
flags.DEFINE_string("output", None, "The PNG to write.", required=True)
flags.DEFINE_string("save_npz", "", "Also write every row's images to this .npz.")
flags.DEFINE_integer("scale", 3, "Enlarges the picture so many times.")
flags.DEFINE_boolean("captions", True, "Says beside every row what it is.")


def main() -> None:
    """Writes --output, and --save_npz."""
    given = flags.FLAGS
    config = command_line.settings_from_flags(PictureConfig)
    command_line.check_at_least("scale", 1)
    command_line.check_output_file("output", given.output, ".png")
    command_line.check_optional_file("save_npz", given.save_npz, ".npz")
    run = open_run(given.run_dir)
    model = run.load_model()
    images = None
    if config.shows_images or run.config.pixel_cnn.num_classes:
        data = command_line.with_flags(run.config, "data").data
        images = load_images(data, config.split, run.config.train.seed)
        run.check_images(images)
        images = images.some(config.first_image, config.num_images)
    rows = draw_rows(model, config, images)
    write_png(given.output, rows_grid(rows, given.scale, given.captions))
    if given.save_npz:
        names = [f"{i:02d} {row.caption}" for i, row in enumerate(rows)]
        write_npz(given.save_npz, dict(zip(names, [row.images for row in rows])))
    print(given.output)


if __name__ == "__main__":
    command_line.run(main)
