"""The samples that the page shows one by one: the most suspicious, and those on either side of the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from telltale_core.display.numbers import significant
from telltale_core.display.sanitize import clean, middle
from telltale_core.report.config import ReportConfig
from telltale_core.report.run import Run
from telltale_core.verdict.history import known_as
from telltale_core.wording import WORDS

if TYPE_CHECKING:
    from telltale_core.modality import Viewer


def blocks(run: Run, viewer: Viewer, config: ReportConfig, *, joined: bool = False) -> list[dict[str, Any]]:
    """Return the thumbnails: the most suspicious, then the borderline ones on either side of the decision.

    ``joined``: the drop was joined with published versions, whose samples are shown with the version's number.
    """
    most = config.thumbnails
    quarantined, review, kept = (run.worst_first(name) for name in ("quarantine", "review", "keep"))
    half = max(1, most // 2)
    plan = [
        ("Most suspicious", "Quarantined, the highest suspicion first.", quarantined[:most]),
        ("Set aside", "Borderline or not tested, the highest suspicion first.", review[:half]),
    ]
    if len(quarantined):
        edge = quarantined[most:][-half:]
        plan.append(("Borderline: only just quarantined", "The lowest suspicion among the quarantined.", edge[::-1]))
    title = "Borderline: only just kept" if len(quarantined) or len(review) else "Highest suspicion, all kept"
    plan.append((title, "The highest suspicion among the kept: where a miss would be.", kept[:half]))
    sections = [
        {
            "title": t,
            "note": f"{n} {len(rows):,} shown.",
            "cards": [_card(run, row, viewer, config, joined) for row in rows.tolist()],
        }
        for t, n, rows in plan
    ]
    return [block for block in sections if block["cards"]] if most else []


def _answer(run: Run, row: int) -> str | None:
    """Return what the drop says of a sample: its label, its target or targets, its set of labels."""
    drop = run.drop
    if drop.targets is not None:
        return "target " + ", ".join(significant(float(value)) for value in np.atleast_1d(drop.targets[row])[:8])
    if drop.label_sets is not None:
        names = drop.label_names or tuple(str(label) for label in range(drop.label_sets.shape[1]))
        return ", ".join(names[label] for label in np.flatnonzero(drop.label_sets[row])) or "no label"
    return None if drop.labels is None else run.label_name(int(drop.labels[row]))


def _card(run: Run, row: int, viewer: Viewer, config: ReportConfig, joined: bool) -> dict[str, Any]:
    drop, decision = run.drop, str(run.decision[row])
    label = _answer(run, row)
    name, version = known_as(str(drop.sample_ids[row])) if joined else (str(drop.sample_ids[row]), None)
    where = "" if version is None else f" in version {version}"
    return {
        "view": viewer.fragment(row, config.thumbnail_px),
        "label": middle(label or "no label", 40),
        "suspicion": f"{run.suspicion[row]:.3f}",
        "decision": decision,
        "word": WORDS[decision],
        "id": name + where,
        "short_id": middle(name, 18) + where,
        "source": middle(drop.sources[row], 60),
        "reason": clean(str(run.reason[row]), 200),
    }
