"""Trains a tiny model in this process for a few steps, as a command would."""

from tiny import tiny_config

from agave_tf.runs.stages import STAGES
from agave_tf.training.train_stage import train_stage

STAGE = "pretrain_pixel_cnn"
# One resolution: these tests are about runs, and tracing takes most of their time.
SETTINGS = {
    "num_pixel_cnn_resolutions": 1,
    "num_layers_per_resolution": 1,
    "dataset": "dead_leaves",
    "image_size": "8",
    "evaluate_images": 0,
    "summary_every": 1,
    "checkpoint_every": 2,
}


def train(path, steps, sources=None, stage=STAGE, **settings):
    config = tiny_config(**{**SETTINGS, f"{stage}_steps": steps, **settings})
    return train_stage(STAGES[stage], config, str(path), sources)
