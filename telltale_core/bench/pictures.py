"""One picture of a suite: found and wrongly quarantined by case and seed, a detector a column."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
Row = dict[str, Any]
TPR_COLOUR, FPR_COLOUR = "#0072B2", "#C2410C"


def draw(rows: Sequence[Row], folder: Path) -> Path | None:
    """Return the path of ``results.png``, one point a seed; None where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        log.info("no picture: matplotlib is not installed")
        return None
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    names = list(dict.fromkeys(_case(row) for row in rows))
    figure = Figure(figsize=(1.5 + 4.5 * len(detectors), 1.2 + 0.32 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(detectors), sharey=True, squeeze=False)[0]
    for panel, detector in zip(panels, detectors, strict=True):
        mine = [row for row in rows if row["detector"] == detector]
        for name, colour, words in (
            ("tpr", TPR_COLOUR, "found, % of the poison"),
            ("fpr", FPR_COLOUR, "wrong, % of the clean"),
        ):
            points = [(100 * row[name], names.index(_case(row))) for row in mine if row[name] is not None]
            if points:
                x, y = zip(*points, strict=True)
                panel.plot(x, y, "o" if name == "tpr" else "x", color=colour, alpha=0.75, label=words, clip_on=False)
        panel.set_title(detector, loc="left", fontsize=10)
        panel.set_xlim(-2, 102)
        panel.set_xlabel("%")
        panel.grid(color="#E4E8EE", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0].invert_yaxis()
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    path = folder / "results.png"
    figure.savefig(path, dpi=140)
    return path


def _case(row: Row) -> str:
    rate = f" {100 * row['rate']:g} %" if row["rate"] else ""
    model = "" if row["model"] == "auto" else f", {row['model']}"
    return f"{row['data']} {row['attack'].replace('_', ' ')}{rate}{model}"
