"""The scores of images as a table: a CSV file, and a summary for the terminal."""

import csv
import io

import numpy as np

from agave_tf.evaluation.outliers import OutlierScores, percentile_of
from agave_tf.whole_file import writing


def write_table(path: str, scores: OutlierScores) -> None:
    """Writes a line for each image as CSV, whole or not at all.

    Names have the bytes that the names of the files have, usually UTF-8. Text is in
    quotes, numbers are not.
    """
    columns = {"height": scores.size[:, 0], "width": scores.size[:, 1], **scores.values}
    text = io.StringIO()
    # All text in quotes: a carriage return in a name would else end the line.
    table = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    table.writerow(["name", *columns])
    numbers = [column.tolist() for column in columns.values()]
    table.writerows(zip(scores.name, *numbers, strict=True))
    with writing(path) as file:
        file.write(text.getvalue().encode(errors="surrogateescape"))


def medians(scores: OutlierScores) -> list[str]:
    """Lines with the median of each score, and of its percentiles if they are known."""
    lines = []
    for name in ("bits_per_dim", "coder_bits_per_dim", "ratio", "kl"):
        if name in scores.values:
            line = f"{name:<20}{np.median(scores.values[name]):9.4f}"
            if percentile_of(name) in scores.values:
                line += f"{np.median(scores.values[percentile_of(name)]):12.1f}"
            lines.append(line)
    return lines


def described(scores: OutlierScores, name: str, row: int) -> str:
    """The score of an image, and its percentile if it is known: "0.8012 (99.9)"."""
    value = f"{scores.values[name][row]:.4f}"
    if percentile_of(name) not in scores.values:
        return value
    return f"{value} ({scores.values[percentile_of(name)][row]:.1f})"


def shown_name(name: str, most: int = 200) -> str:
    """A file's name in one line: odd characters are escaped, and its start is cut off.

    Args:
      name: any name that a file can have, as Python reads it.
      most: characters to show.
    """
    shown = name if name.isprintable() else ascii(name)[1:-1]
    return shown if len(shown) <= most else f"...{shown[3 - most :]}"
