"""Everything between a command line and the training loop of one stage."""

import dataclasses
from collections.abc import Mapping
from contextlib import nullcontext

import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Data
from agave_tf.errors import InputError, first_line
from agave_tf.runs.numerics import library_versions, use_tensor_float_32
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import (
    load_run_data,
)
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.run_lock import run_lock
from agave_tf.runs.stages import Stage, stage_named
from agave_tf.settings.config import PARTS, Config
from agave_tf.settings.stages import check_sources
from agave_tf.settings.user_path import expand_path
from agave_tf.training.open_trainer import open_trainer
from agave_tf.training.stage_plan import StagePlan
from agave_tf.training.strategy import check_all_processes_have, is_chief
from agave_tf.training.train_step import skip_graph_optimizer_on_cpu


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
    check_sources(stage.name, sources)
    plan = StagePlan(stage, config, run_dir, sources, data)
    existing = plan.existing_run()
    with strategy.scope():
        _check_same_start(run_dir, stage, config, existing)
    if existing:
        _say_other_versions(existing)
        if plan.is_finished(existing):
            return open_run(run_dir)
    check_batch(config, strategy)
    if config.compute.jit_compile:
        check_xla()
    data = data or load_run_data(existing, config.data)
    skip_graph_optimizer_on_cpu()
    use_tensor_float_32(config.compute)
    with strategy.scope(), run_lock(run_dir) if is_chief() else nullcontext():
        if is_chief():
            # Another process may have had the directory while the images were read.
            existing = plan.existing_run()
            if existing and plan.is_finished(existing):
                return open_run(run_dir)
        check_all_processes_have(
            data.record,
            "`dataset` must have the same images in every process; this one reads "
            f"{data.record}",
        )
        opened = plan.opened_sources(existing)
        run = plan.run(existing, opened, data)
        trainer = open_trainer(run, data.train, data.test, dict(opened))
        check_all_processes_have(trainer.step, _one_run_dir(run_dir, trainer.step))
        if is_chief():
            trainer.run.write_config()
        trainer.train()
        # Another worker may not see the directory.
        return open_run(run_dir) if is_chief() else trainer.run


def _check_same_start(
    run_dir: str, stage: Stage, config: Config, existing: RunDirectory | None
) -> None:
    """Checks that every process has the same flags and sees the same run.

    Raises:
      InputError: they differ. Otherwise they would wait for each other for ever, or
        give their copies of the weights other updates.
    """
    # Where the images lie may differ; their fingerprint is compared.
    settings = [getattr(config, part) for part in PARTS if part != "data"]
    check_all_processes_have(
        (stage.name, settings),
        "`TF_CONFIG` must list processes that are started with the same flags; this "
        f"one trains {stage.name} with {config}",
    )
    step = existing.step if existing else 0
    check_all_processes_have((bool(existing), step), _one_run_dir(run_dir, step))


def _one_run_dir(run_dir: str, step: int) -> str:
    return (
        "`run_dir` must be on a file system that all processes see; this one finds "
        f"step {step} in {run_dir}"
    )


def check_xla() -> None:
    """Checks that XLA compiles, by the smallest function.

    It does not where a program has called `tf.debugging.enable_check_numerics`.

    Raises:
      InputError: it fails.
    """
    try:
        tf.function(tf.square, autograph=False, jit_compile=True)(tf.constant(1.0))
    except tf.errors.OpError as error:
        raise InputError(
            "`jit_compile` must be off where XLA cannot compile, as after "
            "tf.debugging.enable_check_numerics(); got it on, and TensorFlow says: "
            f"{first_line(error)}"
        ) from error


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
