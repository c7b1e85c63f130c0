"""The report's pictures as PNG bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from telltale_core.display.plotting import COLOURS, INK, KEPT, SOFT, SUSPECT, open_figure, plain_log_ticks
from telltale_core.display.sanitize import for_picture
from telltale_core.modality.viewing import Focus
from telltale_core.report.config import ReportConfig
from telltale_core.report.evidence import Curves, Floats, Heat, focuses, trajectories
from telltale_core.report.run import NEAR_MISS, Outline, Run
from telltale_core.wording import WORDS


def _loss_ticks(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda power, _: "1" if power == 0 else f"1e{power:.0f}"))


def _band(axes: Axes, curves: Curves, names: tuple[str, str]) -> None:
    pairs = ((curves.kept, KEPT, names[1], "--"), (curves.suspected, SUSPECT, names[0], "-"))
    for (low, middle, high), colour, name, dash in pairs:
        axes.fill_between(curves.x, low, high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(curves.x, middle, color=colour, linewidth=1.7, linestyle=dash, label=name)
    axes.legend(loc="upper right", fontsize=8)
    axes.margins(x=0.01)


def trajectories_png(curves: Curves, focus: Focus, window: tuple[float, float] | None = None, dpi: int = 140) -> bytes:
    """Return the losses of suspected and kept samples of one label over epochs: median and middle 80 %, log scale."""
    out = io.BytesIO()
    with open_figure(7.2, 3.7, dpi, out) as figure:
        axes = figure.add_subplot()
        if window is not None:
            axes.axvspan(*window, color="#F3F5F8", zorder=0)
            axes.text(window[0], 1.01, " window read", transform=axes.get_xaxis_transform(), fontsize=8, color=SOFT)
        _band(axes, curves, names(focus))
        axes.set(xlabel="epoch", ylabel="loss (log scale)")
        _loss_ticks(axes)
    return out.getvalue()


def names(focus: Focus) -> tuple[str, str]:
    """Return what the suspected and the kept samples are called in a legend, with their numbers."""
    return f"{focus.word} ({len(focus.suspected_rows):,})", f"other kept ({len(focus.kept_rows):,})"


def spectra_png(curves: Curves, focus: Focus, dpi: int = 140) -> bytes:
    """Return the magnitude spectra of centred log losses: median and middle 80 % of suspected and kept samples."""
    out = io.BytesIO()
    with open_figure(7.2, 3.1, dpi, out) as figure:
        axes = figure.add_subplot()
        _band(axes, curves, names(focus))
        axes.set(xlabel="frequency (cycles per epoch)", ylabel="magnitude", yscale="log")
        plain_log_ticks(axes)
    return out.getvalue()


def heat_png(heat: Heat, focus: Focus, dpi: int = 140) -> bytes:
    """Return centred log losses as colours, one row a sample: suspected above, random kept ones of the label below."""
    out = io.BytesIO()
    both = np.concatenate([heat.suspected, heat.kept])
    limit = float(np.quantile(np.abs(both), 0.97)) or 1.0
    rows = len(heat.suspected), len(heat.kept)
    with open_figure(7.2, 3.7, dpi, out) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[max(8, n) for n in rows])
        titles = (f"{focus.word}: {rows[0]} samples", f"random other kept ones: {rows[1]} samples")
        for axes, values, title in zip((upper, lower), (heat.suspected, heat.kept), titles, strict=True):
            image = axes.imshow(values, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
            axes.set_title(title, fontsize=9)
            axes.grid(visible=False)
            axes.set_yticks([])
        lower.set_xlabel("snapshot within the window")
        bar = figure.colorbar(image, ax=[upper, lower], shrink=0.8, pad=0.015)
        bar.set_label("loss against its usual level\n(powers of ten)", fontsize=8)
    return out.getvalue()


def cluster_png(points: list[tuple[str, Floats, npt.NDArray[np.str_]]], axis: str, dpi: int = 140) -> bytes:
    """Return scatter plots side by side; each has a title, N x 2 coordinates and N decisions."""
    out = io.BytesIO()
    with open_figure(7.2, 3.5, dpi, out) as figure:
        for axes, (title, xy, decision) in zip(figure.subplots(1, len(points), squeeze=False)[0], points, strict=True):
            for name, marker, size in (("keep", "o", 6), ("review", "^", 16), ("quarantine", "D", 11)):
                own = decision == name
                if own.any():
                    label = f"{WORDS[name]} ({int(own.sum()):,})"
                    look = {"s": size, "marker": marker, "alpha": 0.35 if name == "keep" else 0.75, "linewidths": 0}
                    axes.scatter(*xy[own].T, color=COLOURS[name], label=label, **look)
            axes.set_title(for_picture(title, 40), fontsize=9)
            axes.set(xlabel=f"{axis} 1", ylabel=f"{axis} 2")
            axes.tick_params(labelbottom=False, labelleft=False, length=0)
            axes.legend(fontsize=7.5, markerscale=1.5, loc="upper right")  # "best" warns where it is slow
    return out.getvalue()


def histogram_png(suspicion_N: Floats, decision_N: npt.NDArray[np.str_], dpi: int = 140) -> bytes:
    """Return how many samples have which suspicion, by decision, counts on a log scale."""
    out = io.BytesIO()
    edges = np.linspace(0.0, 1.0, 41)
    with open_figure(7.2, 3.5, dpi, out) as figure:
        axes = figure.add_subplot()
        for name, hatch in (("keep", None), ("review", "///"), ("quarantine", None)):
            own = decision_N == name
            if own.any():
                counts = np.histogram(np.clip(suspicion_N[own], 0, 1), edges)[0]
                look: dict[str, Any] = {"color": COLOURS[name], "alpha": 0.78, "hatch": hatch, "edgecolor": "white"}
                axes.bar(edges[:-1], counts, 1 / 40, align="edge", label=f"{WORDS[name]} ({own.sum():,})", **look)
        axes.set(xlabel="suspicion (higher is worse)", ylabel="samples (log scale)", yscale="log", xlim=(0, 1))
        axes.set_ylim(bottom=0.7)
        plain_log_ticks(axes)
        axes.legend(fontsize=8, loc="upper right")
    return out.getvalue()


def verdict_png(run: Outline, dpi: int = 140, most: int = 12) -> bytes:
    """Return the verdict as one picture: status, counts, and how far each label stands out from its threshold."""
    out = io.BytesIO()
    groups = run.groups()[:most]
    title, colour = {
        "poison": ("Poison found", SUSPECT),
        "review": ("Needs review", "#8A5A00"),
        "untested": ("No verdict", "#8A5A00"),
        "clean": ("No poison found", "#00664B"),
        "near miss": (NEAR_MISS, "#8A5A00"),
    }["near miss" if run.near_miss else run.status]
    counts = run.counts
    with open_figure(7.2, 1.3 + 0.24 * max(1, len(groups)), dpi, out) as figure:
        axes = figure.add_subplot()
        figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold", color=colour)
        axes.set_title(
            f"{counts.ingested:,} ingested = {counts.published:,} published + {counts.quarantined:,} quarantined + "
            f"{counts.review:,} set aside + {counts.rejected:,} rejected",
            fontsize=8.5,
            color=SOFT,
        )
        for row, group in enumerate(groups):
            axes.barh(row, max(0.0, group.statistic), color=SUSPECT if group.called else KEPT, height=0.62)
            axes.plot([group.threshold] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=1.6)
        axes.set_yticks(range(len(groups)), [for_picture(run.group_name(group)) for group in groups])
        axes.invert_yaxis()
        axes.set_xlabel(f"{run.word} statistic (upright line: threshold)")
        axes.grid(visible=False, axis="y")
    return out.getvalue()


def trajectories_of(run: Run, config: ReportConfig = ReportConfig()) -> bytes | None:  # noqa: B008  # frozen
    """Return the trajectories picture of the label with most suspected samples; None where there is nothing to draw."""
    shown = focuses(run, config)
    curves = trajectories(run, shown[0], config.seed) if shown else None
    return trajectories_png(curves, shown[0], dpi=config.dpi) if curves else None
