"""Begins a stage of training, or goes on with it from its last checkpoint."""

import dataclasses
from collections.abc import Mapping

import keras
import tensorflow as tf
from absl import logging

from agave_tf.data.image_set import Images
from agave_tf.runs.checkpoints import Checkpoints, checkpoint_steps
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.training.initialization import initialize
from agave_tf.training.train_loop import Trainer
from agave_tf.training.train_state import TrainState
from agave_tf.weights.skeletons import skeleton_of, without_weights


def open_trainer(
    run: RunDirectory,
    images: Images,
    held_out: Images,
    sources: Mapping[str, RunDirectory] | None = None,
) -> Trainer:
    """Reads the state of a run, or makes the first one.

    Args:
      run: a new run, or one that was stopped and goes on from its checkpoint.
      images: the training images.
      held_out: the images of the evaluations during training.
      sources: runs to start from, by flag; a resumed run does not use them.

    Raises:
      InputError: a source or a stored checkpoint cannot be used.
    """
    directory = run.file("checkpoints")
    # Keras draws the first weights from Python's and NumPy's generators.
    keras.utils.set_random_seed(run.config.train.seed)
    with tf.distribute.get_strategy().scope():
        if checkpoint_steps(directory):
            network = skeleton_of(without_weights(run.make_model))
        else:
            logging.info("%s: making the first weights", run.stage.name)
            network = run.make_model()
            shown = images.centre_crops(run.config.data.random_crop)
            initialize(network, shown, run.config, sources or {})
        state = TrainState(
            network,
            run.config,
            run.num_steps,
            stores_rate=run.first_value("warmup_steps") == 0
            and run.first_value("cooldown_steps") == 0,
        )
    keep = run.config.train.keep_checkpoints
    checkpoints = Checkpoints(directory, state.checkpoint(), keep)
    if checkpoints.restore() is not None:
        step = int(state.step.numpy())
        logging.info("Going on from step %d in %s", step, run.path)
    run = _with_changes(run, state)
    return Trainer(run, images, held_out, state, checkpoints)


def _with_changes(run: RunDirectory, state: TrainState) -> RunDirectory:
    """Applies the settings that were changed midway, from the state's step on."""
    num_before = sum(change.step is not None for change in run.changes)
    step = int(state.step.numpy())
    run = dataclasses.replace(run.with_changes_at(step), step=step)
    for change in run.changes[num_before:]:
        logging.info("%s: %s", run.path, change)
        # The next updates are judged anew, and their number in a row too.
        state.skipped_in_a_row.assign(0)
    state.set_constant_rate(run.config.train)
    return run
