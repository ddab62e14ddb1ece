"""Prints measurements as a Markdown table."""

from collections.abc import Iterable


def print_table(columns: dict[str, str], measurements: Iterable[object]) -> None:
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
