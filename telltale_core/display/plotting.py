"""Figures in one style as PNG bytes: same input, same bytes, and matplotlib's global state stays as it was.

Colours are from the Okabe-Ito palette (told apart with any colour vision); what a colour means is written beside it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

SUSPECT, KEPT, REVIEW, INK, SOFT, GRID = "#C2410C", "#0072B2", "#E69F00", "#1B2430", "#5B6675", "#E4E8EE"
COLOURS = {"keep": KEPT, "review": REVIEW, "quarantine": SUSPECT}
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": "#AEB7C2",
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "text.parse_math": False,
}
# rc settings are process-wide: one picture at a time, so that two threads cannot restore each other's.
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def open_figure(width: float, height: float, dpi: int, out: io.BytesIO) -> Iterator[Figure]:
    """Give a figure of this size in inches, in the project's style; at the end it is written to ``out`` as PNG."""
    with _ONE_AT_A_TIME, mpl.rc_context():
        style.use(["default", STYLE])
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(out, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})


def plain_log_ticks(axes: Axes) -> None:
    """Give a logarithmic axis ticks that are written as plain numbers."""
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,g}" if 1e-3 <= value < 1e7 else f"{value:.0e}")
    )
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())


def panels_png(
    panels: Sequence[tuple[str, npt.NDArray[Any], Mapping[str, Any]]], dpi: int = 140, **options: Any
) -> bytes:
    """Return arrays side by side, each with a title and how ``imshow`` draws it; those without colours get a scale.

    ``options`` may hold ``height`` (of the picture, in inches) and whatever ``imshow`` takes for all of them.
    """
    out = io.BytesIO()
    with open_figure(7.2, options.pop("height", 2.4), dpi, out) as figure:
        for axes, (title, values, own) in zip(figure.subplots(1, len(panels)), panels, strict=True):
            image = axes.imshow(values, interpolation="nearest", **options, **own)
            axes.set_title(title, fontsize=9)
            axes.set_axis_off()
            if values.ndim == 2:
                figure.colorbar(image, ax=axes, shrink=0.75, pad=0.03).ax.tick_params(labelsize=7)
    return out.getvalue()
