"""The work of bin/train.py: trains a stage, or three one after another."""

from absl import flags

from agave_tf.commands.train import directories_of
from agave_tf.runs.run_data import check_same_dataset
from agave_tf.runs.same_run import check_same_run
from agave_tf.runs.stages import STAGES
from agave_tf.settings.config import Config
from agave_tf.training.strategy import make_strategy
from agave_tf.training.train_stage import train_stage


def run(values: flags.FlagValues, config: Config, sources: dict[str, str]) -> None:
    """Trains the stage or stages of --stage.

    Args:
      values: of the flags.
      config: the settings that they describe.
      sources: run directories to start from, by flag; "" where the flag is not set.
    """
    if values.stage == "all":
        _check_all(config, values.run_dir)
    strategy = make_strategy(values.strategy, values.num_logical_cpus)
    if values.stage != "all":
        train_stage(STAGES[values.stage], config, values.run_dir, sources, strategy)
        return
    directories = directories_of("all", values.run_dir)
    pretrained = {
        "init_vae_from": directories["pretrain_vae"],
        "init_pixel_cnn_from": directories["pretrain_pixel_cnn"],
    }
    for name, directory in directories.items():
        sources = pretrained if name == "joint" else {}
        train_stage(STAGES[name], config, directory, sources, strategy)


def _check_all(config: Config, run_dir: str) -> None:
    """Checks all stages before the first is trained, which may take days."""
    for name, directory in directories_of("all", run_dir).items():
        existing = check_same_run(directory, STAGES[name], config)
        if existing:
            check_same_dataset(existing, config.data)
