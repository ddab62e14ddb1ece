"""The work of bin/sample.py: draws from a run, and writes the picture."""

from absl import flags, logging

from agave_tf.commands.flags import with_flags
from agave_tf.data.image_set import Images
from agave_tf.models.image_model import ImageModel
from agave_tf.pictures.rows import check_pictures, draw_rows, write_rows
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.image_size import parse_image_size
from agave_tf.settings.pictures import PictureSettings
from agave_tf.whole_file import write_npz


def run(values: flags.FlagValues, settings: PictureSettings) -> None:
    """Writes --output, and --save_npz.

    Args:
      values: of the flags.
      settings: those that they describe.
    """
    source = open_run(values.run_dir)
    logging.info("Reading the weights of %s", source.path)
    model = source.load_model()
    check_pictures(model, settings)
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
