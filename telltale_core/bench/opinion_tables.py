"""Detectors against cases as Markdown and as a picture: what each found, what it flagged wrongly, and its cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Row = dict[str, Any]


def render_opinions(rows: Sequence[Row]) -> str:
    """Return a table of detectors by cases (found %, wrongly flagged %, AUROC; means over seeds) and one of costs."""
    cases, names = _cases(rows), list(dict.fromkeys(row["detector"] for row in rows))
    heads = [f"{case} ({len(_of(rows, case, names[0]))})" for case in cases]
    lines = [
        "Share of the poison flagged / share of the clean samples flagged, in %, and AUROC of the suspicion; mean over "
        "seeds (their number behind the case). Star: flags a set share of any drop.",
        "",
        f"| detector | {' | '.join(heads)} |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for name in names:
        star = "*" if any(row["budgeted"] for row in rows if row["detector"] == name) else ""
        cells = [_cell(_of(rows, case, name)) for case in cases]
        lines.append(f"| {name}{star} | {' | '.join(cells)} |")
    success = [_mean(_of(rows, case, names[0]), "attack_success_before") for case in cases]
    lines += [f"| (attack success %) | {' | '.join('-' if s is None else f'{100 * s:.1f}' for s in success)} |", ""]
    lines += ["| detector | needs | seconds of processor (least to most) | MB above the evidence | estimate MB |"]
    lines += ["|---|---|---|---|---|"]
    for name in names:
        own = [row for row in rows if row["detector"] == name]
        seconds = [row["opinion_cpu_s"] for row in own]
        peak, estimate = max(row["peak_mb"] for row in own), max(row["estimate_mb"] for row in own)
        lines.append(
            f"| {name} | {own[0]['needs']} | {min(seconds):.1f} to {max(seconds):.1f} | {peak:.0f} | {estimate:.0f} |"
        )
    return "\n".join(lines) + "\n"


def draw_opinions(rows: Sequence[Row], path: Path) -> None:
    """Write a picture: for each case and detector, share found as colour, the two shares as text."""
    cases, names = _cases(rows), list(dict.fromkeys(row["detector"] for row in rows))
    found = np.array([[_mean(_of(rows, case, name), "tpr") for case in cases] for name in names], dtype=np.float64)
    figure = Figure(figsize=(2.6 + 1.5 * len(cases), 1.2 + 0.42 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(np.nan_to_num(found), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(cases)), cases, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for r, name in enumerate(names):
        for c, case in enumerate(cases):
            ink = "white" if found[r, c] > 0.6 else "black"
            axes.text(c, r, _brief(_of(rows, case, name)), ha="center", va="center", fontsize=8, color=ink)
    axes.set_title("Poison flagged / clean samples flagged, %", fontsize=9)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _cases(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(_case(row) for row in rows))


def _case(row: Row) -> str:
    return f"{row['attack']} {row['rate']:.4g}" if row["rate"] else str(row["attack"])


def _of(rows: Sequence[Row], case: str, name: str) -> list[Row]:
    return [row for row in rows if _case(row) == case and row["detector"] == name]


def _mean(rows: Sequence[Row], what: str) -> float | None:
    values = [row[what] for row in rows if row[what] is not None]
    return float(np.mean(values)) if values else None


def _brief(rows: Sequence[Row]) -> str:
    """Return found / wrong in %, short enough for a picture; a case that was not run is no zero."""
    if not rows:
        return "not run"
    found, wrong = _mean(rows, "tpr"), _mean(rows, "fpr")
    return f"{'-' if found is None else f'{100 * found:.0f}'} / {100 * (wrong or 0):.1f}"


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "not run"
    found, wrong, area = (_mean(rows, what) for what in ("tpr", "fpr", "auroc"))
    shares = f"{'-' if found is None else f'{100 * found:.1f}'} / {100 * (wrong or 0):.2f}"
    return shares if area is None else f"{shares}, {area:.3f}"
