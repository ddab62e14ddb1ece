#!/usr/bin/env python3
"""Measures what something costs, side by side in one run, and prints a table.

bin/benchmark.py --what=train --models=small,full
bin/benchmark.py --what=evaluate --models=small_agave --samples=2,16
bin/benchmark.py --what=input
bin/benchmark.py --what=sample --network=full --batches=1,16,64

Times are medians. Run it on a machine that does nothing else.
"""

from absl import flags

from agave_tf.benchmarks import evaluation_cost as evaluation
from agave_tf.benchmarks import input_cost, sampling_cost, training_cost
from agave_tf.benchmarks.networks import COMPUTES, MODELS, PIXEL_CNNS
from agave_tf.benchmarks.table import print_table
from agave_tf.commands import flags as command_line
from agave_tf.commands.flags import numbers_of, words_of

flags.DEFINE_enum(
    "what", "train", ["train", "evaluate", "input", "sample"], "What to measure."
)
flags.DEFINE_list("models", ["small"], f"For train, evaluate: of {', '.join(MODELS)}.")
flags.DEFINE_list("computed", ["float32"], f"Likewise: of {', '.join(COMPUTES)}.")
flags.DEFINE_list("samples", ["2", "16"], "For evaluate: samples of z.")
flags.DEFINE_enum("network", "small", list(PIXEL_CNNS), "For sample: the PixelCNN++.")
flags.DEFINE_list("sizes", ["32"], "Sides of the square images, multiples of 4.")
flags.DEFINE_list("batches", ["1", "16", "64"], "For sample, input: images at a time.")
flags.DEFINE_integer("repeats", 3, "Measurements of everything, one after another.")


def main() -> None:
    """Prints the table of --what."""
    given, repeats = flags.FLAGS, flags.FLAGS.repeats
    command_line.check_at_least("repeats", 1)
    sizes = numbers_of("sizes", multiple=4)
    batches = numbers_of("batches")
    samples = numbers_of("samples")
    models = words_of("models", MODELS)
    computes = {name: COMPUTES[name] for name in words_of("computed", COMPUTES)}
    what = {
        "train": lambda: (
            training_cost.TRAINING_COLUMNS,
            training_cost.training_costs(models, sizes[0], computes, repeats),
        ),
        "evaluate": lambda: (
            evaluation.EVALUATION_COLUMNS,
            evaluation.evaluation_costs(models, sizes[0], computes, samples, repeats),
        ),
        "input": lambda: (
            input_cost.INPUT_COLUMNS,
            input_cost.input_costs(sizes[0], batches, repeats),
        ),
        "sample": lambda: (
            sampling_cost.SAMPLING_COLUMNS,
            sampling_cost.sampling_costs(given.network, sizes, batches, repeats),
        ),
    }
    print_table(*what[given.what]())


if __name__ == "__main__":
    command_line.run(main)
