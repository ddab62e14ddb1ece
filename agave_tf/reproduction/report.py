"""A reproduced table or figure: the function that makes it, its files and charts."""

import dataclasses
import io
import json
import math
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from agave_tf.errors import InputError
from agave_tf.evaluation.estimate import Estimate
from agave_tf.pictures.grid import write_png
from agave_tf.reproduction.claim import Claim
from agave_tf.reproduction.scales import Scale
from agave_tf.reproduction.trained_runs import TrainedRuns
from agave_tf.whole_file import write_text


def column(heading: str) -> Any:
    """Returns a field for the dataclass of a table's rows.

    Args:
      heading: the words above the field's column in the table.
    """
    return dataclasses.field(metadata={"heading": heading})


def headings_of(row: Any) -> dict[str, str]:
    """Returns the heading of every column of a row, by the field's name."""
    return {f.name: f.metadata["heading"] for f in dataclasses.fields(row)}


@dataclasses.dataclass(frozen=True)
class Report:
    """The content of a reproduced table or figure.

    rows: the table's rows, instances of one dataclass whose fields are made with
      `column`; the first field names the row. An `Estimate` is shown as its mean and
      its standard errors, of the images and of the seeds.
    figure: pictures uint8 [H,W,3], which are put below each other; empty: none.
    made_from: the runs and settings that the numbers depend on.
    """

    title: str
    rows: Sequence[Any] = ()
    claims: Sequence[Claim] = ()
    figure: Sequence[np.ndarray] = ()
    made_from: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The headings of the table."""
        return [*headings_of(self.rows[0]).values()] if self.rows else []

    @property
    def cells(self) -> list[list[Any]]:
        """The values of every row, in the order of `columns`."""
        return [[getattr(row, name) for name in headings_of(row)] for row in self.rows]

    def write(self, directory: str, name: str) -> None:
        """Writes NAME.json, NAME.md and, if there is a figure, NAME.png."""
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, name)
        picture = ""
        if self.figure:
            write_png(f"{path}.png", stacked(self.figure))
            picture = f"\n![{self.title}]({name}.png)\n"
        content = {
            "title": self.title,
            "columns": self.columns,
            "rows": self.cells,
            "claims": [claim.as_json() for claim in self.claims],
            "made_from": dict(self.made_from),
        }
        write_text(f"{path}.json", json.dumps(_plain(content), indent=2) + "\n")
        write_text(f"{path}.md", self.markdown() + picture)

    def markdown(self) -> str:
        """Returns the title, the table, and every claim with its comparisons."""
        lines = [f"## {self.title}", ""]
        if self.rows:
            lines += [_line(self.columns), _line(["---"] * len(self.columns))]
            lines += [_line([_shown(value) for value in row]) for row in self.cells]
            lines += [""]
        for claim in self.claims:
            counts = f"{claim.num_images} images, {claim.num_seeds} seeds"
            lines.append(f"- {claim.text}: **{claim.verdict.value}** ({counts})")
            lines += [f"  - {line}" for line in claim.shown_comparisons]
        return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _shown(value: Any) -> str:
    if isinstance(value, Estimate):
        if value.num_not_finite:
            num_values = value.num_images * value.num_seeds
            return f"not finite ({value.num_not_finite} of {num_values} values)"
        errors = (value.image_error, value.seed_error)
        shown = [f"{value.mean:.4f}"]
        shown += [f"{error:.4f}" for error in errors if not math.isnan(error)]
        return " ± ".join(shown)
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return ", ".join(_shown(v) for v in value)
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    """Converts a value to JSON's types: NaN and infinity, which it lacks, to null."""
    if isinstance(value, Estimate):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Artifact(NamedTuple):
    """A table or figure: the runs that it shows, and the function that makes it.

    runs: gives the names of planned runs, which it shows with every seed.
    report: makes the report from the trained runs.
    """

    runs: Callable[[Scale], list[str]]
    report: Callable[[TrainedRuns], Report]

    def make(self, trained: TrainedRuns) -> Report:
        """Makes the report, once all its runs are trained."""
        made_from = trained.provenance(self.runs(trained.scale))
        return dataclasses.replace(self.report(trained), made_from=made_from)


def artifact(
    runs: Callable[[Scale], list[str]],
) -> Callable[[Callable[[TrainedRuns], Report]], Artifact]:
    """Decorates a function that makes a report: the result is an `Artifact`.

    Args:
      runs: gives the names of the planned runs that the function looks at.
    """
    return lambda report: Artifact(runs, report)


class Chart(NamedTuple):
    """Curves over one axis.

    curves: (x values, y values) by name.
    points: names of curves whose values are too few to be joined by lines.
    """

    title: str
    x_label: str
    y_label: str
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    points: tuple[str, ...] = ()


def draw_charts(charts: Sequence[Chart]) -> np.ndarray:
    """Draws charts beside each other, uint8 [H,W,3]; a name has one colour in all.

    Raises:
      InputError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "`artifact` with curves must have Matplotlib installed, and it is not: pip "
            "install matplotlib."
        ) from error
    names = dict.fromkeys(n for c in charts for n in c.curves if n not in c.points)
    colors = {name: f"C{i}" for i, name in enumerate(names)}  # Matplotlib's cycle.
    figure = Figure(figsize=(4.5 * len(charts), 3.5), dpi=100, layout="constrained")
    for chart, axes in zip(charts, figure.subplots(1, len(charts), squeeze=False)[0]):
        for name, (x, y) in chart.curves.items():
            if name in chart.points:
                style = {"marker": "D", "linestyle": "", "color": "black", "zorder": 3}
            else:
                style = {"marker": "o", "markersize": 3, "color": colors[name]}
            # A wide legend would hide curves.
            axes.plot(x, y, label=textwrap.fill(name, 30), **style)
        axes.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return np.array(PIL.Image.open(stream).convert("RGB"))


def stacked(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Puts pictures [H,W,3] below each other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [
        np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255)
        for p in pictures
    ]
    return np.concatenate(padded)
