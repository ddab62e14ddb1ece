#!/usr/bin/env python3
"""Draws pictures from a run: samples, or reconstructions of held-out images, as a PNG.

bin/sample.py --run_dir=runs/cifar10/joint --mode=prior --output=samples.png
"""

from absl import flags

from agave_tf import command_line
from agave_tf.images import load_images
from agave_tf.input_error import InputError
from agave_tf.pictures import image_grid, write_png
from agave_tf.sampling import prior_pictures, reconstruction_pictures
from agave_tf.training.run_directory import open_run

command_line.define_settings("data")
command_line.define_run_dir("The run to draw from.")
flags.DEFINE_enum(
    "mode",
    "prior",
    ["prior", "reconstruct"],
    "prior: f(z) of z ~ p(z) above the finished image; reconstruct: a held-out image, "
    "f(z) of z ~ q(z|x), and an image finished from it.",
)
flags.DEFINE_string("output", None, "The PNG to write.", required=True)
flags.DEFINE_integer("num_images", 16, "How many.")
flags.DEFINE_integer("seed", 0, "Seed of every draw; the same seed, the same pictures.")
flags.DEFINE_integer("scale", 3, "Enlarges the picture so many times.")


def main() -> None:
    """Writes --output."""
    given = flags.FLAGS
    command_line.check_at_least("num_images", 1)
    command_line.check_at_least("seed", 0)
    command_line.check_at_least("scale", 1)
    command_line.check_output_file("output", given.output, ".png")
    run = open_run(given.run_dir)
    model = run.load_model()
    images = None
    if given.mode == "reconstruct" or run.config.pixel_cnn.num_classes:
        config = command_line.with_flags(run.config, "data")
        images = load_images(config.data, "test", config.train.seed)
        run.check_images(images)
        images = images.first(given.num_images)
    label = None if images is None else images.label
    if given.mode == "prior":
        pictures = prior_pictures(model, given.num_images, given.seed, label)
    elif model.vae is None:
        raise InputError(
            "`mode` must be prior for a run without latent variables "
            f"(--stage={run.stage.name}); got reconstruct."
        )
    else:
        pictures = reconstruction_pictures(model, images.image, given.seed, label)
    write_png(given.output, image_grid(pictures.rows(), scale=given.scale))
    print(given.output)


if __name__ == "__main__":
    command_line.run(main)
