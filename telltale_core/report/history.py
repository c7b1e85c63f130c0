"""A dataset over time, from its published manifests: how much of each drop was held back, and who approved what."""

from __future__ import annotations

import io
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from telltale_core.display.sanitize import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One published version. ``share`` in [0, 1] of the judged samples (those that ingest kept) was held back.

    Held back is what was quarantined or set aside. ``kind`` is ``drop``, ``approved`` (by ``by``: the verdict had asked
    for a person) or ``restored`` (``by`` brought samples of an earlier version back: no new drop).
    """

    number: int
    created_at: str
    drop: str
    judged: int
    held_back: int
    rejected: int
    share: float
    kind: str
    by: str


def entries_of(manifests: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Return one entry for each manifest, in the order given; names are cleaned: they are the contributor's words."""
    return [_entry(manifest) for manifest in manifests]


def _entry(manifest: Mapping[str, Any]) -> Entry:
    lineage = manifest["lineage"]
    own = (not lineage.get("restore") and manifest.get("appended")) or manifest  # of an appended drop its own
    counts = own["counts"]
    judged = counts["ingested"] - counts["rejected"]
    held_back = counts["quarantined"] + counts["review"]
    restore, approved = lineage.get("restore"), lineage.get("review")
    kind = "restored" if restore else "approved" if approved else "drop"
    return Entry(
        number=manifest["number"],
        created_at=str(manifest["created_at"]),
        drop=clean(str(manifest["drop"].get("name")), 80),
        judged=judged,
        held_back=held_back,
        rejected=counts["rejected"],
        share=held_back / judged if judged else 0.0,
        kind=kind,
        by=clean(str((restore or approved or {}).get("by", "")), 80),
    )


def sentence(entries: list[Entry]) -> str:
    """Return the history in a sentence: how many drops, the newest one's share held against the median before it."""
    drops = [entry for entry in entries if entry.kind != "restored"]
    if not drops:
        return "Nothing is published yet."
    last, before = drops[-1], [entry.share for entry in drops[:-1]]
    numbers = ((len(drops), "drop"), (len(entries), "version"))
    text = ", ".join(f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in numbers)
    text += f"; of the newest drop {last.share:.2%} was held back"
    if before:
        text += f" (median of the {len(before)} before: {statistics.median(before):.2%})"
    return f"{text}."


def history_png(entries: list[Entry], dpi: int = 90) -> bytes:
    """Return the share held back by version as a picture: one mark a version, its colour and shape by ``kind``."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter  # here: matplotlib takes seconds to import

    from telltale_core.display.plotting import KEPT, REVIEW, SUSPECT, open_figure

    out = io.BytesIO()
    marks = (("drop", KEPT, "o"), ("approved", SUSPECT, "D"), ("restored", REVIEW, "s"))
    with open_figure(7.2, 2.6, dpi, out) as figure:
        axes = figure.add_subplot()
        drops = [entry for entry in entries if entry.kind != "restored"]
        axes.plot([e.number for e in drops], [e.share for e in drops], color=KEPT, linewidth=1.0, alpha=0.5)
        for kind, colour, shape in marks:
            mine = [entry for entry in entries if entry.kind == kind]
            if mine:
                numbers, shares = [e.number for e in mine], [e.share for e in mine]
                axes.plot(numbers, shares, linestyle="", marker=shape, color=colour, markersize=5, label=kind)
        axes.set(xlabel="version", ylabel="share held back")
        axes.set_ylim(0, max(0.01, 1.15 * max((entry.share for entry in entries), default=0.0)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if len({entry.kind for entry in entries}) > 1:
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, ncols=3)
    return out.getvalue()
