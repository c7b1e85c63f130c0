"""Where the targets of suspected samples lie beside those of kept ones: an attacker wants one for all."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telltale_core.display.numbers import significant
from telltale_core.display.plotting import KEPT, SUSPECT, open_figure, plain_log_ticks
from telltale_core.modality.viewing import FEWEST, Focus, Shown, data_uri
from telltale_core.report.config import ReportConfig
from telltale_core.report.pictures import names
from telltale_core.report.run import Run

Floats = npt.NDArray[np.float64]
PANELS = 4
BINS = 40
NARROW = 0.01
"""Of the span from the drop's 5th to its 95th percentile: how near to each other targets must lie to count as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The narrow range that holds most suspected targets, ends included; how many of either side lie in it."""

    low: float
    high: float
    suspected: int
    kept: int


def crowd(suspected_S: Floats, kept_R: Floats, width: float) -> Crowd:
    """Return where, within ``width``, most suspected targets lie; of several such places the lowest."""
    value_S = np.sort(suspected_S)
    reach_S = np.searchsorted(value_S, value_S + width, side="right")
    first = int((reach_S - np.arange(len(value_S))).argmax())
    low, high = float(value_S[first]), float(value_S[reach_S[first] - 1])
    return Crowd(
        low=low, high=high, suspected=int(reach_S[first] - first), kept=int(((kept_R >= low) & (kept_R <= high)).sum())
    )


def targets_shown(run: Run, focus: Focus, config: ReportConfig) -> Shown | None:
    """Return the picture of both sides' targets; None where the drop has none, or there are too few samples."""
    if run.drop.targets is None or min(len(focus.suspected_rows), len(focus.kept_rows)) < FEWEST:
        return None
    target_NM = np.asarray(run.drop.targets, dtype=np.float64).reshape(len(run.decision), -1)
    low_M, high_M = np.quantile(target_NM, (0.05, 0.95), axis=0)
    crowds = [
        crowd(target_NM[focus.suspected_rows, m], target_NM[focus.kept_rows, m], NARROW * float(high_M[m] - low_M[m]))
        for m in range(target_NM.shape[1])
    ]
    top = max(range(len(crowds)), key=lambda m: crowds[m].suspected)
    densest, several = crowds[top], len(crowds) > 1
    ends = [significant(densest.low, 4), significant(densest.high, 4)]
    where = f"at {ends[0]}" if ends[0] == ends[1] else f"from {ends[0]} to {ends[1]}"
    said = (
        f"{densest.suspected:,} of {len(focus.suspected_rows):,} {focus.word} samples have a target {where}, of the "
        f"other kept ones{focus.same} {densest.kept:,} of {len(focus.kept_rows):,}"
    )
    said += f" (target {top + 1})" if several else ""
    shown = [m for m in dict.fromkeys((top, *range(len(crowds)))) if m < len(crowds)][:PANELS]
    return Shown(
        title="Where their targets lie",
        uri=data_uri(_png([(m, target_NM[:, m]) for m in sorted(shown)], focus, config.dpi)),
        alt=f"Histogram of targets; {said}.",
        caption=f"A hint, not evidence: {said}. Honest targets spread; an attacker gives all poisoned samples the one "
        "that is wanted.",
    )


def _png(targets: list[tuple[int, Floats]], focus: Focus, dpi: int) -> bytes:
    out = io.BytesIO()
    both = names(focus)
    with open_figure(7.2, 3.1, dpi, out) as figure:
        every = figure.subplots(1, len(targets), squeeze=False)[0]
        for axes, (m, target_N) in zip(every, targets, strict=True):
            suspected, kept = target_N[focus.suspected_rows], target_N[focus.kept_rows]
            edges = np.histogram_bin_edges(np.concatenate([suspected, kept]), BINS)
            axes.hist(kept, edges, color=KEPT, alpha=0.7, label=both[1])
            axes.hist(suspected, edges, color=SUSPECT, alpha=0.7, label=both[0], hatch="//", edgecolor="white")
            axes.set(xlabel="target" if len(targets) == 1 else f"target {m + 1}", yscale="log")
            axes.set_ylim(bottom=0.7)
            plain_log_ticks(axes)
        every[0].set_ylabel("samples (log scale)")
        every[-1].legend(fontsize=8, loc="upper right")
    return out.getvalue()
