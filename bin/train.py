#!/usr/bin/env python3
"""Trains a stage of AGAVE, or --stage=all of pretrain_vae, pretrain_pixel_cnn, joint.

bin/train.py --flagfile=flags/cifar10.flags --stage=all --run_dir=runs/cifar10
"""

import os

from absl import flags

from agave_tf.commands import flags as command_line
from agave_tf.errors import InputError
from agave_tf.runs.stages import STAGES, TRAINING_STAGES
from agave_tf.training.strategy import STRATEGIES, make_strategy
from agave_tf.training.train_stage import train_stage

_SOURCES = ("init_vae_from", "init_pixel_cnn_from", "init_from")

command_line.define_settings()
command_line.define_run_dir("Where the run lives; one that was stopped goes on.")
flags.DEFINE_enum("stage", None, [*STAGES, "all"], "What to train.", required=True)
flags.DEFINE_string("init_vae_from", "", "Run whose VAE a joint stage starts from.")
flags.DEFINE_string("init_pixel_cnn_from", "", "Run whose PixelCNN++ it starts from.")
flags.DEFINE_string("init_from", "", "Joint run that a joint or ablation starts from.")
flags.DEFINE_enum(
    "strategy",
    "auto",
    STRATEGIES,
    "Devices: one; mirrored, all GPUs of the machine; multi_worker, all processes that "
    "TF_CONFIG lists; auto, what there is of these.",
)
flags.DEFINE_integer("num_logical_cpus", 0, "Mirror over so many parts of the CPU.")


def main() -> None:
    """Trains what --stage names."""
    given = flags.FLAGS
    config = command_line.config_from_flags()
    sources = {name: given[name].value for name in _SOURCES}
    strategy = make_strategy(given.strategy, given.num_logical_cpus)
    if given.stage != "all":
        train_stage(STAGES[given.stage], config, given.run_dir, sources, strategy)
        return
    for name in _SOURCES:
        if sources[name]:
            raise InputError(
                f"`{name}` cannot go with --stage=all, which starts from nothing; "
                f"got {sources[name]!r}."
            )
    directory = {name: os.path.join(given.run_dir, name) for name in TRAINING_STAGES}
    pretrained = {
        "init_vae_from": directory["pretrain_vae"],
        "init_pixel_cnn_from": directory["pretrain_pixel_cnn"],
    }
    for name in TRAINING_STAGES:
        sources = pretrained if name == "joint" else {}
        train_stage(STAGES[name], config, directory[name], sources, strategy)


if __name__ == "__main__":
    command_line.run(main)
