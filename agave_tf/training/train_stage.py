"""Everything between a command line and the training loop of one stage."""

from contextlib import nullcontext

import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.data.load import load_images
from agave_tf.errors import InputError
from agave_tf.runs.run_directory import RunDirectory, check_same_run
from agave_tf.runs.run_lock import run_lock
from agave_tf.runs.stages import Stage
from agave_tf.settings.config import Config
from agave_tf.training.strategy import is_chief
from agave_tf.training.train_loop import Trainer


def train_stage(
    stage: Stage,
    config: Config,
    run_dir: str,
    sources: dict[str, str],
    strategy: tf.distribute.Strategy,
) -> RunDirectory:
    """Trains `stage` in `run_dir` to its last step; returns the run.

    A finished run is left as it is; one that was stopped goes on. Nothing is written
    before everything that the user gave has been checked.

    Args:
      stage: which.
      config: of the run; a run that exists must have the same.
      run_dir: new, empty, or a run directory of this stage.
      sources: run directories to start from, by flag; "" where there is none.
      strategy: the devices.

    Raises:
      InputError: something the user gave cannot be used.
    """
    stage.check_sources(sources)
    existing = check_same_run(run_dir, stage, config)
    if existing and existing.step >= stage.num_steps(config):
        logging.info("%s has made its %d steps.", run_dir, existing.step)
        return existing
    check_batch(config, strategy)
    images = load_images(config.data, "train", config.train.seed)
    held_out = load_images(config.data, "test", config.train.seed)
    check_labels(images, config)
    run = RunDirectory(run_dir, stage, config, tuple(images.image.shape[1:]))
    with strategy.scope(), run_lock(run_dir) if is_chief() else nullcontext():
        trainer = Trainer(run, images, held_out, sources)
        if is_chief():
            run.write_config()
        trainer.train()
    return run


def check_batch(config: Config, strategy: tf.distribute.Strategy) -> None:
    """Raises InputError unless every replica gets as many images."""
    replicas, portions = strategy.num_replicas_in_sync, config.compute.accumulate_steps
    if config.train.batch_size % (replicas * portions):
        portions_of = f" times {portions} accumulate_steps" if portions > 1 else ""
        raise InputError(
            f"`batch_size` must be a multiple of the {replicas} replicas{portions_of}; "
            f"got {config.train.batch_size}."
        )
    if config.compute.jit_compile and config.vae.kl_min and replicas > 1:
        raise InputError(
            "`jit_compile` must be off for free bits (--kl_min) over several replicas, "
            "whose means XLA cannot exchange; got it on."
        )


def check_labels(images: Images, config: Config) -> None:
    """Raises InputError if the PixelCNN++ wants labels that the data set lacks."""
    num_classes = config.pixel_cnn.num_classes
    if not num_classes:
        return
    if images.label is None:
        raise InputError(
            f"`num_classes` must be 0 for a data set without labels; got {num_classes}."
        )
    if images.label.min() < 0 or images.label.max() >= num_classes:
        raise InputError(
            "`num_classes` must exceed every label of the data set, "
            f"{images.label.min()}..{images.label.max()}; got {num_classes}."
        )
