"""The rows of pictures that the settings ask for."""

from agave_tf.data.image_set import Images
from agave_tf.models.agave import AGAVE
from agave_tf.pictures.completion_mask import completion_mask
from agave_tf.pictures.picture_row import PictureRow
from agave_tf.pictures.rows import Sampler
from agave_tf.sampling.draw_images import SamplingSettings
from agave_tf.settings.pictures import PictureSettings


def draw_rows(
    model: AGAVE, config: PictureSettings, images: Images | None
) -> list[PictureRow]:
    """The rows that `config` asks for.

    Args:
      model: the model to draw from.
      config: what to draw and how.
      images: images to start from, or whose labels to draw for; None if the mode needs
        none and the model is not class-conditional.

    Raises:
      InputError: the model cannot draw these rows, or needs labels that the images
        lack.
    """
    if images is not None:
        images.check_labels(model.num_classes)
    label = images.label if images is not None and model.num_classes else None
    sampler = Sampler(
        model,
        SamplingSettings(
            seed=config.seed,
            batch_size=config.sampling_batch_size,
            z_temperature=config.z_temperature,
            pixel_temperature=config.pixel_temperature,
            progress=True,
        ),
    )
    samples = config.samples_each
    if config.mode == "reconstruct":
        return sampler.reconstruct(images, samples)
    if config.mode == "interpolate":
        return sampler.interpolate(images, config.num_steps)
    if config.mode == "complete":
        is_given = completion_mask(model.image_shape[:2], config.mask, config.keep_top)
        return sampler.complete(images, is_given, samples, config.z_from == "prior")
    count = config.num_images if label is None else len(label)
    draw = sampler.condition if config.mode == "condition" else sampler.prior
    return draw(count, samples, label)
