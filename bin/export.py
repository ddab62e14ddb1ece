#!/usr/bin/env python3
"""Writes a run's averaged weights as a SavedModel, which needs TensorFlow alone.

bin/export.py --run_dir=runs/cifar10/joint --output_dir=exported/cifar10

docs/export.md lists the signatures.
"""

from absl import flags

from agave_tf.commands import flags as command_line
from agave_tf.interop.saved_model import check_new_directory, export_model
from agave_tf.runs.run_directory import open_run

command_line.define_run_dir("The run to export.")
flags.DEFINE_string("output_dir", None, "The directory to make.", required=True)
flags.DEFINE_integer(
    "sampling_batch_size", 16, "Images that the PixelCNN++ draws at a time."
)


def main() -> None:
    """Writes --output_dir."""
    given = flags.FLAGS
    command_line.check_at_least("sampling_batch_size", 1)
    check_new_directory("output_dir", given.output_dir)
    run = open_run(given.run_dir)
    about = {"stage": run.stage.name, "step": run.step}
    export_model(run.load_model(), given.output_dir, about, given.sampling_batch_size)
    print(given.output_dir)


if __name__ == "__main__":
    command_line.run(main)
