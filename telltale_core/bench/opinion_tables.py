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
    """Return tables of detectors by cases (what they flagged; AUROC), means and spread over seeds, and one of costs."""
    cases, names = _cases(rows), list(dict.fromkeys(row["detector"] for row in rows))
    seeds = {case: max(len(_of(rows, case, name)) for name in names) for case in cases}
    stars = {row["detector"]: "*" if row["budgeted"] else "" for row in rows}
    success = [_mean(_of(rows, case, names[0]), "attack_success_before") for case in cases]
    head = f"| detector | {' | '.join(f'{case} ({seeds[case]})' for case in cases)} |"
    rule = "|---" * (len(cases) + 1) + "|"
    flags = {name: [_cell(_of(rows, case, name), seeds[case]) for case in cases] for name in names}
    lines = [
        "Share of the poison flagged (least to most over seeds) / share of the clean samples flagged, in %; the number "
        "of seeds stands behind the case, and in the cell where it is another. Star: flags a set share of any drop.",
        "",
        head,
        rule,
        *(_line(name + stars[name], flags[name]) for name in names),
        _line("(attack success %)", ["-" if s is None else f"{100 * s:.1f}" for s in success]),
        "",
        "AUROC of the suspicion:",
        "",
        head,
        rule,
        *(_line(name, [_ranked(_of(rows, case, name)) for case in cases]) for name in names),
        "",
        "| detector | needs | seconds of processor (least to most) | MB above the evidence | estimate MB |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        own = [row for row in rows if row["detector"] == name]
        seconds = [row["opinion_cpu_s"] for row in own]
        peak, estimate = max(row["peak_mb"] for row in own), max(row["estimate_mb"] for row in own)
        cost = f"{min(seconds):.1f} to {max(seconds):.1f}"
        lines.append(_line(name, [own[0]["needs"], cost, f"{peak:.0f}", f"{estimate:.0f}"]))
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


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _cell(rows: Sequence[Row], seeds: int) -> str:
    if not rows:
        return "not run"
    found = sorted(100 * row["tpr"] for row in rows if row["tpr"] is not None)
    share = f"{np.mean(found):.1f}" if found else "-"
    if found and f"{found[0]:.1f}" != f"{found[-1]:.1f}":
        share += f" ({found[0]:.1f} to {found[-1]:.1f})"
    fewer = "" if len(rows) == seeds else f"; {len(rows)} seed{'s' * (len(rows) > 1)}"
    return f"{share} / {100 * (_mean(rows, 'fpr') or 0):.2f}{fewer}"


def _ranked(rows: Sequence[Row]) -> str:
    area = _mean(rows, "auroc")
    return "-" if area is None else f"{area:.3f}"
