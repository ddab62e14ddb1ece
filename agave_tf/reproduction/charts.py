"""Draws curves as a picture."""

import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import PIL.Image

from agave_tf.errors import InputError


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
    """Draws charts beside each other, uint8 [H,W,3].

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
    figure = Figure(figsize=(4.5 * len(charts), 3.5), dpi=100, layout="constrained")
    for chart, axes in zip(charts, figure.subplots(1, len(charts), squeeze=False)[0]):
        for name, (x, y) in chart.curves.items():
            style = {"marker": "o", "markersize": 3}
            if name in chart.points:
                style = {"marker": "D", "linestyle": "", "color": "black", "zorder": 3}
            axes.plot(x, y, label=name, **style)
        axes.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return np.array(PIL.Image.open(stream).convert("RGB"))
