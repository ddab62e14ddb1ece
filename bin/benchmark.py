#!/usr/bin/env python3
"""Measures what something costs, side by side in one run, and prints a table.

bin/benchmark.py --what=sample --network=full --batches=1,16,64

Seconds are per image, medians. Run it on a machine that does nothing else.
"""

from absl import flags

from agave_tf import command_line
from agave_tf.benchmarks.sampling_cost import NETWORKS, as_table, sampling_costs
from agave_tf.input_error import InputError

flags.DEFINE_enum("what", "sample", ["sample"], "What to measure.")
flags.DEFINE_enum("network", "small", list(NETWORKS), "The PixelCNN++.")
flags.DEFINE_list("sizes", ["32"], "Sides of the square images, multiples of 4.")
flags.DEFINE_list("batches", ["1", "16", "64"], "Images at a time.")
flags.DEFINE_integer("repeats", 3, "Measurements of everything, one after another.")


def main() -> None:
    """Prints the table of --what."""
    given = flags.FLAGS
    command_line.check_at_least("repeats", 1)
    sizes = _numbers("sizes", given.sizes, multiple=4)
    batches = _numbers("batches", given.batches)
    print(as_table(list(sampling_costs(given.network, sizes, batches, given.repeats))))


def _numbers(flag: str, words: list[str], multiple: int = 1) -> list[int]:
    for word in words:
        if not word.isdecimal() or int(word) < 1 or int(word) % multiple:
            of = f"multiples of {multiple}" if multiple > 1 else "positive numbers"
            raise InputError(f"`{flag}` must be {of}, separated by commas; got {word}.")
    return [int(word) for word in words]


if __name__ == "__main__":
    command_line.run(main)
