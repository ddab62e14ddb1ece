"""The first weights of a run: other runs' weights, or data-dependent initialisation."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.data.pixel_scale import to_unit_range
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_draws import ImageDraws
from agave_tf.models.named_weights import assign_weights, under
from agave_tf.randomness import Stream, stream
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.config import Config


def initialize(
    model: AGAVE, images: Images, config: Config, sources: Mapping[str, RunDirectory]
) -> None:
    """Sets every weight of a new run; eagerly, once, before the first step.

    A part that a source gives takes that run's averaged weights. A stage that trains
    one part alone can start from any run that has it, such as an imported one. Other
    parts are initialised on `num_initialization_images` images, as `Images.choose`
    takes them. A new condition stream is initialised on the f(z) of those images and
    injects nothing at first.

    Args:
      model: the model, with weights as first drawn.
      images: the training images.
      config: the settings of the run.
      sources: runs by flag: init_from, or init_vae_from, init_pixel_cnn_from.

    Raises:
      InputError: a source has no weights, or its network differs.
    """
    if model.vae is not None and model.pixel_cnn is not None:
        if "init_from" in sources:
            run = sources["init_from"]
            _check_source(run, "init_from", model, config)
            assign_weights(model, run.read_weights(), source=run.path)
            return
    elif _take_only_part(model, config, sources):
        return
    batch = images.take(images.choose(config.train.num_initialization_images))
    count = len(batch.image)
    logging.info("Initialising new layers on %d of the training images", count)
    draws = ImageDraws(
        stream(config.train.seed, Stream.INITIALIZATION),
        tf.range(count),
        num_rows=count,
    )
    if model.vae is not None:
        _initialize_vae(model, batch, draws, config, sources.get("init_vae_from"))
    if model.pixel_cnn is not None:
        source = sources.get("init_pixel_cnn_from")
        _initialize_pixel_cnn(model, batch, draws, config, source)


def _take_only_part(
    model: AGAVE, config: Config, sources: Mapping[str, RunDirectory]
) -> bool:
    """Gives a model of one part the weights of that part of a run; False: no source."""
    part = "vae" if model.vae is not None else "pixel_cnn"
    for flag in (f"init_{part}_from", "init_from"):
        if flag in sources:
            run = sources[flag]
            _check_source(run, flag, model, config)
            weights = under(run.read_weights(), part)
            own = {k: v for k, v in weights.items() if "condition" not in k.split("/")}
            if len(own) < len(weights):
                logging.warning(
                    "The PixelCNN++ of %s is taken without its condition on f(z), with "
                    "which it was trained.",
                    run.path,
                )
            assign_weights(getattr(model, part), own, source=run.path)
            return True
    return False


def _initialize_vae(
    model: AGAVE,
    batch: Images,
    draws: ImageDraws,
    config: Config,
    source: RunDirectory | None,
) -> None:
    vae = model.required_vae()
    if source is not None:
        _check_source(source, "init_vae_from", model, config)
        assign_weights(vae, under(source.read_weights(), "vae"), source=source.path)
        return
    noise = vae.draw_noise(draws.noise_seed(), draws.index)
    image = tf.constant(batch.image)
    vae.initialize(
        to_unit_range(image),
        model.auxiliary_image(image),
        noise,
        as_openai=config.vae.vae_initialization == "openai",
    )


def _initialize_pixel_cnn(
    model: AGAVE,
    batch: Images,
    draws: ImageDraws,
    config: Config,
    source: RunDirectory | None,
) -> None:
    pixel_cnn, image = model.required_pixel_cnn(), tf.constant(batch.image)
    if source is not None:
        _check_source(source, "init_pixel_cnn_from", model, config)
        weights = under(source.read_weights(), "pixel_cnn")
        assign_weights(pixel_cnn, weights, source.path, may_miss="condition")
    else:
        label = None if batch.label is None else tf.constant(batch.label)
        x = to_unit_range(image)
        pixel_cnn.initialize(x, label, draws.dropout_seed())
    output = model.sample_posterior(image, draws.noise_seed(), draws.index)
    if output is not None:
        pixel_cnn.initialize_condition(output.f_z, model.image_shape[:2])


def _check_source(run: RunDirectory, flag: str, model: AGAVE, config: Config) -> None:
    """Checks that the network of the run that `flag` names is this one's."""
    needs_vae = model.vae is not None and flag != "init_pixel_cnn_from"
    needs_pixel_cnn = model.pixel_cnn is not None and flag != "init_vae_from"
    if (needs_vae and not run.stage.has_vae) or (
        needs_pixel_cnn and not run.stage.has_pixel_cnn
    ):
        raise InputError(
            f"`{flag}` must name a run with the part it gives; {run.path} is of stage "
            f"{run.stage.name}."
        )
    parts = ["vae", "auxiliary"] * needs_vae + ["pixel_cnn"] * needs_pixel_cnn
    for part in parts:
        theirs, ours = getattr(run.config, part), getattr(config, part)
        for field in dataclasses.fields(ours):
            their_value = getattr(theirs, field.name)
            our_value = getattr(ours, field.name)
            if their_value != our_value and not field.metadata["may_differ"]:
                raise InputError(
                    f"`{field.name}` must be {their_value!r}, as in the run of "
                    f"`{flag}`, {run.path}; got {our_value!r}."
                )
    if run.image_shape != model.image_shape:
        raise InputError(
            f"`{flag}` must name a run on images of shape {model.image_shape}; "
            f"{run.path} has {run.image_shape}."
        )
