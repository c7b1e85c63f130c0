"""Detectors against cases as Markdown and as a picture: what each found, what it flagged wrongly, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Row = dict[str, Any]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the results over seeds, as JSON values; all shares in %.

    ``rows`` a row for each detector and case that was run: ``seeds``; share of the poison flagged, ``found`` (mean),
    ``least``, ``most``; ``wrong``, the mean share of the clean samples flagged; ``auroc``. ``costs`` a row for each
    detector. ``attack_success`` by case. None: nothing to find, or not measured.
    """
    cases, names = list(dict.fromkeys(map(_case, rows))), list(dict.fromkeys(row["detector"] for row in rows))
    groups: dict[tuple[str, str], list[Row]] = {(name, case): [] for name in names for case in cases}
    for row in rows:
        groups[row["detector"], _case(row)].append(row)
    table = [_over_seeds(name, case, own) for (name, case), own in groups.items() if own]
    success = {case: _mean([row for row in rows if _case(row) == case], "attack_success_before", 100) for case in cases}
    return {"attack_success": success, "costs": [_cost(rows, name) for name in names], "rows": table}


def _over_seeds(name: str, case: str, own: Sequence[Row]) -> Row:
    shares = [100 * row["tpr"] for row in own if row["tpr"] is not None]
    return {
        "detector": name,
        "case": case,
        "seeds": len(own),
        "found": round(float(np.mean(shares)), 3) if shares else None,
        "least": round(min(shares), 3) if shares else None,
        "most": round(max(shares), 3) if shares else None,
        "wrong": _mean(own, "fpr", 100) or 0.0,
        "auroc": _mean(own, "auroc"),
    }


def _cost(rows: Sequence[Row], name: str) -> Row:
    own = [row for row in rows if row["detector"] == name]
    seconds = [row["opinion_cpu_s"] for row in own]
    peaks = {what: round(max(row[what] for row in own)) for what in ("peak_mb", "estimate_mb")}
    cpu_s = [round(min(seconds), 1), round(max(seconds), 1)]
    return {"detector": name, "needs": own[0]["needs"], "cpu_s": cpu_s, **peaks, "budgeted": own[0]["budgeted"]}


def render_opinions(rows: Sequence[Row]) -> str:
    """Return tables of detectors by cases (what they flagged; AUROC), means and spread over seeds, and one of costs."""
    results = summary(rows)
    seeds = _seeds(results)
    lines = [
        "Share of the poison flagged (least to most over seeds) / share of the clean samples flagged, in %; the number "
        "of seeds stands behind the case, and in the cell where it is another. Star: flags a set share of any drop.",
        "",
        *_matrix(results, lambda row: f"{_share(row)} / {row['wrong']:.2f}{_fewer(row, seeds)}"),
        _line("(attack success %)", [_or_dash(results["attack_success"][case], ".1f") for case in seeds]),
        "",
        "AUROC of the suspicion:",
        "",
        *_matrix(results, lambda row: _or_dash(row["auroc"], ".3f")),
        "",
        "| detector | needs | seconds of processor (least to most) | MB above the evidence | estimate MB |",
        "|---|---|---|---|---|",
        *(_line(cost["detector"], _costs(cost)) for cost in results["costs"]),
    ]
    return "\n".join(lines) + "\n"


def table_of_opinions(results: Mapping[str, Any]) -> str:
    """Return one table of a :func:`summary`: found / wrong in % and AUROC by case, then what each detector costs."""
    cells = _matrix(
        results,
        lambda row: (
            f"{_or_dash(row['found'], '.1f')} / {row['wrong']:.2f}, {_or_dash(row['auroc'], '.3f')}"
            + _fewer(row, _seeds(results))
        ),
        {cost["detector"]: _costs(cost)[:3] for cost in results["costs"]},
        ("needs", "processor s", "MB"),
    )
    success = [_or_dash(value, ".1f") for value in results["attack_success"].values()]
    return "\n".join([*cells, _line("(attack success %)", [*success, "", "", ""])])


def draw_opinions(rows: Sequence[Row], path: Path) -> None:
    """Write a picture: for each case and detector, share found as colour, the two shares as text."""
    results = summary(rows)
    cases, names = list(_seeds(results)), [cost["detector"] for cost in results["costs"]]
    at = {(row["detector"], row["case"]): row for row in results["rows"]}
    shares = [[(at.get((name, case), {}).get("found") or 0) / 100 for case in cases] for name in names]
    figure = Figure(figsize=(2.6 + 1.5 * len(cases), 1.2 + 0.42 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(np.array(shares), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(cases)), cases, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for r, name in enumerate(names):
        for c, case in enumerate(cases):
            ink = "white" if shares[r][c] > 0.6 else "black"
            axes.text(c, r, _brief(at.get((name, case))), ha="center", va="center", fontsize=8, color=ink)
    axes.set_title("Poison flagged / clean samples flagged, %", fontsize=9)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _case(row: Row) -> str:
    return f"{row['attack']} {row['rate']:.4g}" if row["rate"] else str(row["attack"])


def _seeds(results: Mapping[str, Any]) -> dict[str, int]:
    """Return the cases in their order, each with the most seeds that a detector has of it."""
    return {case: max(r["seeds"] for r in results["rows"] if r["case"] == case) for case in results["attack_success"]}


def _matrix(
    results: Mapping[str, Any],
    cell: Callable[[Row], str],
    more: Mapping[str, list[str]] | None = None,
    heads: Sequence[str] = (),
) -> list[str]:
    """Return the lines of a table of detectors by cases; a case that was not run is no zero."""
    seeds, at = _seeds(results), {(row["detector"], row["case"]): row for row in results["rows"]}
    lines = [_line("detector", [*(f"{case} ({n})" for case, n in seeds.items()), *heads])]
    lines += ["|---" * (len(seeds) + len(heads) + 1) + "|"]
    for cost in results["costs"]:
        name = cost["detector"]
        cells = [cell(at[name, case]) if (name, case) in at else "not run" for case in seeds]
        star = "*" if cost["budgeted"] else ""
        lines.append(_line(name + star, [*cells, *((more or {}).get(name, []))]))
    return lines


def _mean(rows: Sequence[Row], what: str, scale: float = 1) -> float | None:
    values = [row[what] for row in rows if row[what] is not None]
    return round(scale * float(np.mean(values)), 4) if values else None


def _brief(row: Row | None) -> str:
    """Return found / wrong in %, short enough for a picture."""
    return "not run" if row is None else f"{_or_dash(row['found'], '.0f')} / {row['wrong']:.1f}"


def _costs(cost: Row) -> list[str]:
    least, most = cost["cpu_s"]
    return [cost["needs"], f"{least:.1f} to {most:.1f}", f"{cost['peak_mb']:.0f}", f"{cost['estimate_mb']:.0f}"]


def _share(row: Row) -> str:
    mean, least, most = (_or_dash(row[name], ".1f") for name in ("found", "least", "most"))
    return mean if least == most else f"{mean} ({least} to {most})"


def _fewer(row: Row, seeds: Mapping[str, int]) -> str:
    return "" if row["seeds"] == seeds[row["case"]] else f"; {row['seeds']} seed{'s' * (row['seeds'] > 1)}"


def _or_dash(value: float | None, shown: str) -> str:
    return "-" if value is None else format(value, shown)


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"
