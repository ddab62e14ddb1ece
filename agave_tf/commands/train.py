"""Trains a stage of AGAVE, or --stage=all of pretrain_vae, pretrain_pixel_cnn, joint.

bin/train.py --flagfile=small.flags --stage=all --run_dir=runs/small

Started again with the same flags, a run that was stopped goes on.
"""

import os

from absl import flags

from agave_tf.commands.devices import (
    define_num_logical_cpus,
    give_cores_their_own_operations,
)
from agave_tf.commands.flags import (
    config_from_flags,
    define_settings,
    flag_group,
)
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import define_path, define_run_dir
from agave_tf.commands.running import run_command
from agave_tf.errors import InputError
from agave_tf.runs.run_path import is_begun, run_path
from agave_tf.settings.devices import STRATEGIES, check_logical_cpus
from agave_tf.settings.stages import STAGE_SOURCES, TRAINING_STAGES, check_sources

_SOURCES = {
    "init_vae_from": "Run directory; joint or pretrain_vae starts from its VAE.",
    "init_pixel_cnn_from": "Run directory; joint or pretrain_pixel_cnn starts from its "
    "PixelCNN++.",
    "init_from": "Run directory; the stage starts from all weights of its own that the "
    "run has: ablation and joint from a joint stage, the pretraining stages from any "
    "run with their part, such as an imported or an earlier one.",
}


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Directory of the run; a run that was stopped goes on.", values)
        flags.DEFINE_enum(
            "stage",
            None,
            [*STAGE_SOURCES, "all"],
            "Stage to train; all: pretrain_vae, pretrain_pixel_cnn and joint, one "
            "after another, each in a directory of its name below --run_dir.",
            required=True,
            flag_values=values,
        )
    with flag_group("Runs to start from", values):
        for name, help_text in _SOURCES.items():
            define_path(name, "", help_text, values)
    define_settings(values)
    with flag_group("Devices", values, main=True):
        flags.DEFINE_enum(
            "strategy",
            "auto",
            STRATEGIES,
            "Devices to train on. one: one GPU, or the CPU; mirrored: all GPUs of the "
            "machine; multi_worker: all processes that TF_CONFIG lists; auto: "
            "multi_worker if TF_CONFIG lists several, else mirrored if there are "
            "several GPUs, else one.",
            flag_values=values,
        )
    with flag_group("Devices", values):
        define_num_logical_cpus(values)


def run(values: flags.FlagValues) -> None:
    """Trains the stage or stages of --stage."""
    config = config_from_flags(values)
    sources: dict[str, str] = {name: getattr(values, name) for name in _SOURCES}
    if values.stage == "all":
        _check_no_source(sources)
    else:
        check_sources(values.stage, sources)
    check_logical_cpus(values.strategy, values.num_logical_cpus)
    directories = directories_of(values.stage, values.run_dir).values()
    if not any([is_begun(directory) for directory in directories]):
        # A run that goes on does without those that it started from.
        for source in filter(None, sources.values()):
            run_path(source)
    give_cores_their_own_operations()
    run_work("train", values, config, sources)


def directories_of(stage: str, run_dir: str) -> dict[str, str]:
    """Returns the run directories that --stage trains in, by stage, in order."""
    if stage != "all":
        return {stage: run_dir}
    return {name: os.path.join(run_dir, name) for name in TRAINING_STAGES}


def _check_no_source(sources: dict[str, str]) -> None:
    for name, source in sources.items():
        if source:
            raise InputError(
                f"`{name}` cannot go with --stage=all, which starts from nothing; "
                f"got {source!r}."
            )


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
