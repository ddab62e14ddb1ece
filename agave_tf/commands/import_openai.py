"""Makes a run directory from a checkpoint of openai/pixel-cnn or openai/iaf.

bin/import_openai.py --kind=pixel_cnn --checkpoint=params_cifar.ckpt --run_dir=runs/new

The run can be evaluated, sampled and exported, and a joint stage can start from it.
"""

from absl import flags

from agave_tf.commands.flags import (
    define_settings,
    flag_group,
    settings_from_flags,
)
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import define_path, define_run_dir
from agave_tf.commands.running import run_command
from agave_tf.interop.openai_path import directory_of_list, named_prefix
from agave_tf.settings.data import DataConfig
from agave_tf.settings.stages import IMPORTED_STAGES
from agave_tf.whole_file import check_new_directory


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Import", values, main=True):
        define_run_dir("Run directory to make; it must be new or empty.", values)
        flags.DEFINE_enum(
            "kind",
            None,
            [*IMPORTED_STAGES],
            "Network of the checkpoint. pixel_cnn: of openai/pixel-cnn; iaf_vae: of "
            "openai/iaf.",
            required=True,
            flag_values=values,
        )
        define_path(
            "checkpoint",
            None,
            "Checkpoint to read: the common part of its files' names, before .index "
            "and .data-..., or one of these files; a directory with the file "
            "`checkpoint`, for the newest one in it; or the one file that old versions "
            "of TensorFlow wrote.",
            values,
            required=True,
        )
        flags.DEFINE_enum(
            "nonlinearity",
            "",
            ["", "concat_elu", "elu", "relu"],
            "Activation function of the PixelCNN++, needed where the shapes of its "
            "weights fit elu and relu alike; empty: as the shapes tell.",
            flag_values=values,
        )
    define_settings(values, "data")
    values.set_default("dataset", "cifar10")


def run(values: flags.FlagValues) -> None:
    """Makes --run_dir."""
    check_new_directory("run_dir", values.run_dir)
    data = settings_from_flags(DataConfig, values)
    if directory_of_list(values.checkpoint) is None:
        named_prefix(values.checkpoint)
    run_work("import_openai", values, data)


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
