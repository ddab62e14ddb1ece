"""The work of bin/benchmark.py: measures, and prints a table."""

from collections.abc import Iterable

from absl import flags, logging

from agave_tf.benchmarks import coding_cost, sampling_cost, training_cost
from agave_tf.benchmarks import evaluation_cost as evaluation
from agave_tf.commands.benchmark import Lists
from agave_tf.settings.benchmark import COMPUTES


def run(values: flags.FlagValues, lists: Lists) -> None:
    """Prints the table of --what.

    Args:
      values: of the flags.
      lists: the flags that are lists.
    """
    repeats, models = values.repeats, lists.models
    sizes, batches = lists.sizes, lists.batches
    computes = {name: COMPUTES[name] for name in lists.computed}
    measure = {
        "train": lambda: (
            training_cost.TRAINING_COLUMNS,
            training_cost.training_costs(models, sizes[0], computes, repeats),
        ),
        "evaluate": lambda: (
            evaluation.EVALUATION_COLUMNS,
            evaluation.evaluation_costs(
                models, sizes[0], computes, lists.samples, repeats
            ),
        ),
        "input": lambda: (
            training_cost.INPUT_COLUMNS,
            [
                cost
                for size in sizes
                for cost in training_cost.input_costs(size, batches, repeats)
            ],
        ),
        "sample": lambda: (
            sampling_cost.SAMPLING_COLUMNS,
            sampling_cost.sampling_costs(values.network, sizes, batches, repeats),
        ),
        "code": lambda: (
            coding_cost.CODING_COLUMNS,
            coding_cost.coding_costs(values.network, sizes, batches, repeats),
        ),
    }
    logging.info(
        "Measuring %s %d times; each is compiled first, the table comes at the end",
        values.what,
        repeats,
    )
    _print_table(*measure[values.what]())


def _print_table(columns: dict[str, str], measurements: Iterable[object]) -> None:
    """Prints a row for each measurement as soon as it is made.

    Args:
      columns: format strings by heading; {0} is the measurement.
      measurements: one for each row, in order.
    """
    _print_row(columns)
    _print_row(["---"] * len(columns))
    for measurement in measurements:
        _print_row(form.format(measurement) for form in columns.values())


def _print_row(cells: Iterable[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)
