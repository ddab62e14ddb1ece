"""The first weights of a run: other runs' weights, or data-dependent initialisation."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.errors import InputError
from agave_tf.models.agave import AGAVE
from agave_tf.models.image_model import ImageModel
from agave_tf.models.pixel_cnn_model import AutoregressiveModel, PixelCNNModel
from agave_tf.models.vae_model import LatentVariableModel, VAEModel
from agave_tf.pixel_scale import to_unit_range
from agave_tf.randomness import ImageDraws, Stream, stream
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.config import Config
from agave_tf.weights.named_weights import assign_weights, under

# The parts of the settings that the networks which a flag's run gives depend on.
_GIVEN_BY = {
    "init_vae_from": VAEModel.settings,
    "init_pixel_cnn_from": PixelCNNModel.settings,
}


def initialize(
    model: ImageModel,
    images: Images,
    config: Config,
    sources: Mapping[str, RunDirectory],
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
    if isinstance(model, AGAVE):
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
    if isinstance(model, LatentVariableModel):
        _initialize_vae(model, batch, draws, config, sources)
    if isinstance(model, AutoregressiveModel):
        _initialize_pixel_cnn(model, batch, draws, config, sources)
    if isinstance(model, AGAVE):
        drawn = model.sample_posterior(
            tf.constant(batch.image), draws.noise_seed(), draws.index
        )
        factor = config.auxiliary.auxiliary_downsampling
        model.pixel_cnn.initialize_condition(drawn.f_z, factor)


def _take_only_part(
    model: ImageModel, config: Config, sources: Mapping[str, RunDirectory]
) -> bool:
    """Gives a model of one part the weights of that part of a run; False: no source."""
    part = "vae" if isinstance(model, LatentVariableModel) else "pixel_cnn"
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
    model: LatentVariableModel,
    batch: Images,
    draws: ImageDraws,
    config: Config,
    sources: Mapping[str, RunDirectory],
) -> None:
    if "init_vae_from" in sources:
        source = sources["init_vae_from"]
        _check_source(source, "init_vae_from", model, config)
        weights = under(source.read_weights(), "vae")
        assign_weights(model.vae, weights, source=source.path)
        return
    image = tf.constant(batch.image)
    model.vae.initialize(
        to_unit_range(model.pad(image)),
        model.auxiliary_image(image),
        model.draw_noise(draws.noise_seed(), draws.index, image.shape[1:3]),
        as_openai=config.vae.vae_initialization == "openai",
    )


def _initialize_pixel_cnn(
    model: AutoregressiveModel,
    batch: Images,
    draws: ImageDraws,
    config: Config,
    sources: Mapping[str, RunDirectory],
) -> None:
    if "init_pixel_cnn_from" in sources:
        source = sources["init_pixel_cnn_from"]
        _check_source(source, "init_pixel_cnn_from", model, config)
        weights = under(source.read_weights(), "pixel_cnn")
        assign_weights(model.pixel_cnn, weights, source.path, may_miss="condition")
        return
    label = None if batch.label is None else tf.constant(batch.label)
    x = to_unit_range(model.pad(tf.constant(batch.image)))
    model.pixel_cnn.initialize(x, label, draws.dropout_seed())


def _check_source(
    run: RunDirectory, flag: str, model: ImageModel, config: Config
) -> None:
    """Checks that the network of the run that `flag` names is this one's."""
    gives = _GIVEN_BY.get(flag, model.settings)
    needed = [part for part in model.settings if part in gives]
    if not set(needed) <= set(run.stage.model_class.settings):
        raise InputError(
            f"`{flag}` must name a run with the part it gives; {run.path} is of stage "
            f"{run.stage.name}."
        )
    for part in needed:
        theirs, ours = getattr(run.config, part), getattr(config, part)
        for field in dataclasses.fields(ours):
            their_value = getattr(theirs, field.name)
            our_value = getattr(ours, field.name)
            if their_value != our_value and not field.metadata["may_differ"]:
                raise InputError(
                    f"`{field.name}` must be {their_value!r}, as in the run of "
                    f"`{flag}`, {run.path}; got {our_value!r}."
                )
    if run.image_shape[-1] != model.image_shape[-1]:
        raise InputError(
            f"`{flag}` must name a run on images of {model.image_shape[-1]} channels; "
            f"{run.path} has {run.image_shape[-1]}."
        )
    if run.image_shape != model.image_shape:
        logging.info(
            "%s was trained on images of %dx%d; these are %dx%d.",
            run.path,
            *run.image_shape[:2],
            *model.image_shape[:2],
        )
