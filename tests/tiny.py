"""A model and data small enough to train in a test."""

import functools

import numpy as np
import tensorflow as tf

from agave_tf.data.dead_leaves import draw_dead_leaves
from agave_tf.data.image_set import Images
from agave_tf.models.image_model import ImageModel
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.runs.stages import STAGES
from agave_tf.settings.config import Config, config_from_settings
from agave_tf.training.initialization import initialize
from agave_tf.training.open_trainer import open_trainer
from agave_tf.training.train_loop import Trainer

SETTINGS = {
    "hidden_channels": 8,
    "z_channels": 2,
    "num_layers_per_resolution": 2,
    "num_resnets": 1,
    # Two have every kind of layer: the third repeats those of the second.
    "num_pixel_cnn_resolutions": 2,
    "num_filters": 4,
    "num_mixtures": 2,
    "batch_size": 4,
    "num_initialization_images": 16,
    "summary_every": 2,
    "checkpoint_every": 3,
    "evaluate_every": 100,
    "evaluate_images": 6,
    "show_samples": False,
}

# A KL may be near zero, and is the difference of two sums of hundreds of nats in
# float32: its rounding is not relative to it. For each image, and as bits/dim.
KL_ROUNDING_NATS = 1e-4
KL_ROUNDING_BITS = 1e-6


@functools.cache
def two_replicas() -> tf.distribute.Strategy:
    """The two parts of the CPU, as one strategy for all tests of a process.

    TensorFlow takes the sums of a second one for those of the first, and fails.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def tiny_config(**settings) -> Config:
    """SETTINGS with changes."""
    return config_from_settings({**SETTINGS, **settings})


def tiny_images(count=24, size=8, channels=3, labels=0) -> Images:
    """Dead leaves, with labels 0..labels-1 in turn."""
    image = draw_dead_leaves(count, size, size, channels, seed=1)
    label = np.arange(count, dtype=np.int32) % labels if labels else None
    return Images(image, label)


def tiny_model(stage="joint", images=None, **settings) -> ImageModel:
    """An initialised model of a stage."""
    images = images or tiny_images()
    config = tiny_config(**settings)
    stage = STAGES[stage]
    shape = images.image.shape[1:]
    model = stage.model_class(config.model, shape)
    initialize(model, images, config, {})
    return model


def tiny_trainer(path, stage="joint", images=None, sources=None, **settings) -> Trainer:
    """A Trainer in a new run directory; `sources` are directories by flag."""
    images = images or tiny_images()
    run = RunDirectory(
        str(path), STAGES[stage], tiny_config(**settings), images.image.shape[1:]
    )
    opened = {flag: open_run(source) for flag, source in (sources or {}).items()}
    trainer = open_trainer(run, images, images, opened)
    run.write_config()
    return trainer
