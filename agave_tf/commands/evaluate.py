"""Prints the bits/dim of a run on held-out images, and the parts that add up to it.

bin/evaluate.py --run_dir=runs/cifar10/joint --num_importance_samples=150
"""

from absl import flags

from agave_tf.commands.devices import define_num_logical_cpus
from agave_tf.commands.flags import (
    check_settings_of_run,
    define_settings_of,
    define_settings_of_run,
    flag_group,
    settings_from_flags,
)
from agave_tf.commands.loading import run_work
from agave_tf.commands.paths import check_optional_file, define_path, define_run_dir
from agave_tf.commands.running import run_command
from agave_tf.runs.run_path import run_path
from agave_tf.settings.devices import LOCAL_STRATEGIES, check_logical_cpus
from agave_tf.settings.evaluation import EvaluationSettings

# Images that --bits_map draws.
NUM_MAPS = 8


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command."""
    with flag_group("Run", values, main=True):
        define_run_dir("Run directory of the model to evaluate.", values)
    define_settings_of(EvaluationSettings, values)
    with flag_group("Scores", values, main=True):
        define_path(
            "compare_with",
            "",
            "Run directory of another model, to compare on the same images: prints the "
            "mean difference of the bounds and its 95 % interval, which is far "
            "smaller than that of either bound. Empty: none.",
            values,
        )
    with flag_group("Files to write", values, main=True):
        define_path(
            "per_image",
            "",
            "File ending in .npz to write the scores of every image to, in nats; "
            "empty: none.",
            values,
        )
        define_path(
            "bits_map",
            "",
            f"File ending in .png to draw up to {NUM_MAPS} images to, with the bits "
            "that each pixel costs; empty: none.",
            values,
        )
    define_settings_of_run("data", values)
    with flag_group("Devices", values, main=True):
        flags.DEFINE_enum(
            "strategy",
            "auto",
            LOCAL_STRATEGIES,
            "Devices that share the images; they do not change the scores. one: one "
            "GPU, or the CPU; mirrored: all GPUs of the machine; auto: mirrored if "
            "there are several GPUs, else one.",
            flag_values=values,
        )
    with flag_group("Devices", values):
        define_num_logical_cpus(values)


def run(values: flags.FlagValues) -> None:
    """Evaluates the run in --run_dir."""
    settings = settings_from_flags(EvaluationSettings, values)
    check_settings_of_run("data", values)
    check_optional_file("per_image", values.per_image, ".npz")
    check_optional_file("bits_map", values.bits_map, ".png")
    check_logical_cpus(values.strategy, values.num_logical_cpus)
    for path in filter(None, (values.run_dir, values.compare_with)):
        run_path(path)
    run_work("evaluate", values, settings)


def main() -> None:
    """Runs the command with the arguments of the process."""
    run_command(define_flags, run, __doc__)


if __name__ == "__main__":
    main()
