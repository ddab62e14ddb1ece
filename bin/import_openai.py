#!/usr/bin/env python3
"""Makes a run directory of a checkpoint of openai/pixel-cnn or openai/iaf.

bin/import_openai.py --kind=pixel_cnn --checkpoint=params_cifar.ckpt --run_dir=runs/new

The run can be evaluated, sampled, exported, and a joint stage can start from it.
"""

from absl import flags

from agave_tf.commands import flags as command_line
from agave_tf.interop.openai_checkpoint import KINDS, import_openai
from agave_tf.interop.saved_model import check_new_directory
from agave_tf.settings.config import DataConfig

command_line.define_settings("data")
command_line.define_run_dir("The run directory to make.")
flags.DEFINE_enum("kind", None, [*KINDS], "What the checkpoint is of.", required=True)
flags.DEFINE_string(
    "checkpoint",
    None,
    "Its files' names up to .index and .data-..., or the one file of old versions.",
    required=True,
)
flags.DEFINE_enum(
    "nonlinearity",
    "",
    ["", "concat_elu", "elu", "relu"],
    "Of a PixelCNN++ whose shapes leave it open: elu or relu.",
)
flags.FLAGS.set_default("dataset", "cifar10")


def main() -> None:
    """Makes --run_dir."""
    given = flags.FLAGS
    check_new_directory("run_dir", given.run_dir)
    data = command_line.settings_from_flags(DataConfig)
    run = import_openai(
        given.kind, given.checkpoint, given.run_dir, given.nonlinearity, data
    )
    part = run.config.vae if run.stage.has_vae else run.config.pixel_cnn
    print(f"{run.path}: {part}")


if __name__ == "__main__":
    command_line.run(main)
