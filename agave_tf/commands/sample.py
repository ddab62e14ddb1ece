"""Draws pictures from a run as a PNG: a row for each kind, an image in each column.

bin/sample.py --run_dir=runs/cifar10/joint --mode=prior --output=samples.png
"""

from absl import flags, logging

from agave_tf.commands.flags import (
    define_settings_of,
    define_settings_of_run,
    flag_group,
    settings_from_flags,
    with_flags,
)
from agave_tf.commands.paths import (
    check_optional_file,
    check_output_file,
    define_path,
    define_run_dir,
)
from agave_tf.commands.running import run_command
from agave_tf.data.image_set import Images
from agave_tf.models.image_model import ImageModel
from agave_tf.pictures.rows import check_label, draw_rows, write_rows
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.pictures import PictureSettings
from agave_tf.whole_file import write_npz


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
    check_output_file("output", values.output, ".png")
    check_optional_file("save_npz", values.save_npz, ".npz")
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    model = source.load_model()
    check_label(model, settings)
    _say_what_has_no_effect(settings, model)
    images = None
    if settings.reads_images(model.num_classes):
        images = _images(source, settings, values)
    if not settings.shows_images and values["image_size"].present:
        size = parse_image_size(values.image_size)
        model = model.of_size(size or model.image_shape[:2])
    logging.info("Compiling the sampler, for which the first images wait")
    rows = draw_rows(model, settings, images).rows
    write_rows(values.output, rows, values.scale, values.captions)
    if values.save_npz:
        names = [f"{i:02d} {row.caption}" for i, row in enumerate(rows)]
        write_npz(values.save_npz, dict(zip(names, [row.images for row in rows])))
    print(values.output)


def _images(
    source: RunDirectory, settings: PictureSettings, values: flags.FlagValues
) -> Images:
    """Returns the images to start from, or those whose labels are drawn."""
    data = with_flags(source.config, "data", values).data
    loaded = load_run_data(source, data, [settings.split])
    images = loaded.part(settings.split)
    source.check_images(images)
    if settings.labels is None:
        loaded.check_labels(source.num_classes)
        images.check_labels(source.num_classes)
    first, count = settings.first_image, settings.num_images
    if not settings.shows_images:
        # Labels repeat, so fewer images than columns will do.
        count = max(1, min(count, len(images.image) - first))
    return images.some(first, count, 2 if settings.mode == "interpolate" else 1)


def _say_what_has_no_effect(settings: PictureSettings, model: ImageModel) -> None:
    names = settings.without_effect(model.settings, model.num_classes)
    if names:
        logging.warning(
            "No effect on --mode=%s of this run: %s.",
            settings.mode,
            ", ".join(f"--{name}" for name in names),
        )


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
