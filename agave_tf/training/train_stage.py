"""Everything between a command line and the training loop of one stage."""

import dataclasses
from collections.abc import Mapping
from contextlib import nullcontext

import tensorflow as tf
from absl import logging

from agave_tf.data.read_source import Data
from agave_tf.errors import InputError
from agave_tf.runs.changes import changed_midway
from agave_tf.runs.run_data import (
    check_same_data,
    check_same_dataset,
    load_run_data,
    say_other_data,
)
from agave_tf.runs.run_directory import RunDirectory, library_versions
from agave_tf.runs.run_lock import run_lock
from agave_tf.runs.same_run import check_same_run
from agave_tf.runs.sources import check_same_sources, describe, open_sources
from agave_tf.runs.stages import Stage, stage_named
from agave_tf.settings.config import Config
from agave_tf.settings.user_path import expand_path
from agave_tf.training.graph_optimizer import skip_graph_optimizer_on_cpu
from agave_tf.training.strategy import is_chief
from agave_tf.training.train_loop import Trainer


def train_stage(
    stage: Stage | str,
    config: Config,
    run_dir: str,
    sources: Mapping[str, str] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    data: Data | None = None,
) -> RunDirectory:
    """Trains `stage` in `run_dir` to its last step; returns the run.

    A finished run is left as it is; a run that was stopped goes on. Nothing is written
    before everything that the user gave has been checked.

    Args:
      stage: the stage, or its name.
      config: the settings; those of a run that exists must agree with them.
      run_dir: a new or empty directory, or a run directory of this stage.
      sources: run directories to start from, by flag; "" where the flag is not set.
      strategy: the devices; None: TensorFlow's present strategy.
      data: the images, as `agave_tf.read_images` gives them, with their settings; None:
        those that `config` names.

    Raises:
      InputError: something the user gave cannot be used.
    """
    run_dir = expand_path(run_dir, "run_dir")
    sources = {flag: expand_path(p, flag) for flag, p in (sources or {}).items()}
    strategy = strategy or tf.distribute.get_strategy()
    if isinstance(stage, str):
        stage = stage_named(stage)
    if data is not None:
        config = dataclasses.replace(config, data=data.config)
    stage.check_sources(sources)
    existing = check_same_run(run_dir, stage, config)
    if existing:
        check_same_sources(existing, sources)
        if data is None:
            check_same_dataset(existing, config.data)
        _say_other_versions(existing)
        if existing.step >= stage.num_steps(config):
            logging.info("%s has made its %d steps.", run_dir, existing.step)
            return existing
    check_batch(config, strategy)
    data = data or load_run_data(existing, config.data)
    num_classes = config.pixel_cnn.num_classes if stage.has_pixel_cnn else 0
    data.train.check_labels(num_classes, "the training part")
    data.test.check_labels(num_classes, "the held-out part")
    run = RunDirectory(run_dir, stage, config, data.train.shape)
    if existing:
        record = check_same_data(existing, data.record)
        run = dataclasses.replace(
            run,
            sources=existing.sources,
            data=record,
            changes=existing.changes + changed_midway(stage, existing.config, config),
        )
    else:
        opened = open_sources(sources)
        say_other_data(opened, data.record)
        run = dataclasses.replace(run, sources=describe(opened), data=data.record)
    skip_graph_optimizer_on_cpu()
    with strategy.scope(), run_lock(run_dir) if is_chief() else nullcontext():
        trainer = Trainer(run, data.train, data.test, sources)
        if is_chief():
            trainer.run.write_config()
        trainer.train()
    return trainer.run


def check_batch(config: Config, strategy: tf.distribute.Strategy) -> None:
    """Checks that every replica and every micro-batch gets the same number of images.

    Raises:
      InputError: the batch does not divide, or the settings cannot be combined.
    """
    replicas, steps = strategy.num_replicas_in_sync, config.compute.accumulate_steps
    if config.train.batch_size % (replicas * steps):
        times = f" times {steps} accumulate_steps" if steps > 1 else ""
        raise InputError(
            f"`batch_size` must be a multiple of the {replicas} replicas{times}; "
            f"got {config.train.batch_size}."
        )
    if config.compute.jit_compile and config.vae.kl_min and replicas > 1:
        raise InputError(
            "`jit_compile` must be off for free bits (--kl_min) over several replicas, "
            "whose means XLA cannot exchange; got it on."
        )


def _say_other_versions(run: RunDirectory) -> None:
    """Logs which libraries have other versions than when the run was last started."""
    now = library_versions()
    changed = [
        f"{name} {version}, now {now.get(name)}"
        for name, version in run.versions.items()
        if now.get(name) != version
    ]
    if changed:
        logging.warning("%s was trained with %s.", run.path, "; ".join(changed))
