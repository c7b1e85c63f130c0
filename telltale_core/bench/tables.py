"""Rows of results as Markdown: attacks that work in the main table, the weaker ones in a second beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from telltale_core.bench.cases import CLEAN
from telltale_core.bench.clean_drops import part_of

Row = dict[str, Any]
WORKS = 0.9
"""An attack works where at least this share of held-out triggered inputs gets the attacker's label."""
LEVEL = 0.01
"""The default of ``verdict.false_alarm_rate``."""
HEADS = (
    "case",
    "model",
    "seeds",
    "attack success",
    "found (TPR) %",
    "wrong (FPR) %",
    "precision %",
    "AUROC",
    "review",
    "poison found",
    "leave-out retraining",
    "trigger (control) %",
    "success after",
    "accuracy",
    "after",
    "train s",
)
SEED_HEADS = (
    "case, seed (target)",
    "attack success",
    "accuracy",
    "found",
    "wrong",
    "review",
    "AUROC",
    "p",
    "leave-out retraining",
    "success after",
    "accuracy after",
    "train, log, cluster s",
)


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def render(rows: Sequence[Row]) -> str:
    """Return the tables of one suite for each of its detectors: over the seeds (mean, least to most), then by seed."""
    parts = [false_alarms(rows), ""] if all(row["attack"] == CLEAN for row in rows) else []
    for detector in dict.fromkeys(row["detector"] for row in rows):
        cases = _cases([row for row in rows if row["detector"] == detector])
        works = [case for case in cases if _works(case)]
        bare = [case for case in cases if _success(case) is None]
        weak = [case for case in cases if case not in works and case not in bare]
        parts += [f"## {detector}\n"]
        for title, some in (
            (f"Attacks that succeed on at least {WORKS:.0%} of held-out triggered inputs (mean over seeds)", works),
            ("Weaker attacks", weak),
            ("Nothing to find, or attack success not measured", bare),
        ):
            if some:
                parts += [f"{title}:\n", _table(some), ""]
        parts += ["By seed:\n", _table_by_seed(cases), ""]
    return "\n".join(parts)


def false_alarms(rows: Sequence[Row]) -> str:
    """Return a table of clean drops by data set: how many were called, and the share of all with its 95 % interval."""
    heads = ("data", "drops", "called", "samples", "quarantined", "set aside", "p at most 0.01")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    names = dict.fromkeys(part_of(row["data"])[0] for row in rows)
    lines += [_of_clean(data, [row for row in rows if part_of(row["data"])[0] == data]) for data in names]
    called = sum(row["poison_found"] for row in rows)
    share = binomtest(called, len(rows)).proportion_ci(method="exact")
    interval = f"{100 * called / len(rows):.1f} % of the drops are called (95 % interval {100 * share.low:.1f} to "
    return "\n".join([*lines, _of_clean("all", rows), "", f"{interval}{100 * share.high:.1f} %)."])


def _of_clean(name: str, rows: Sequence[Row]) -> str:
    counts = [len(rows), sum(row["poison_found"] for row in rows), sum(row["clean"] for row in rows)]
    counts += [sum(row["wrongly_quarantined"] for row in rows), sum(row["review"] for row in rows)]
    counts += [sum(row["p_value"] <= LEVEL for row in rows)]
    return f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |"


def over_seeds(rows: Sequence[Row]) -> str:
    """Return one table of the cases over their seeds, as results that are kept show it."""
    heads = (
        "case", "seeds", "attack success %", "found %", "wrong %", "review", "AUROC", "leave-out retraining",
        "trigger (control) %", "success after %",
        "accuracy %", "after %", "train s",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for case in _cases(rows):
        seconds = [{"s": None if row["train_s"] is None else row["train_s"] + row["log_s"]} for row in case]
        cells = [
            _case_name(case[0]),
            str(len(case)),
            *(spread(case, name) for name in ("attack_success_before", "tpr", "fpr")),
            spread(case, "review", lambda value: f"{value:.0f}"),
            spread(case, "auroc", lambda value: f"{value:.3f}"),
            _retrain(case),
            _trigger(case),
            *(spread(case, name) for name in ("attack_success_after", "accuracy_before", "accuracy_after")),
            spread(seconds, "s", lambda value: f"{value:.0f}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cases(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each case over its seeds."""
    named: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        named.setdefault(tuple(row.get(n) for n in ("data", "attack", "rate", "params", "model", "epochs")), []).append(
            row
        )
    return list(named.values())


def _success(case: Sequence[Row]) -> float | None:
    values = [row["attack_success_before"] for row in case if row["attack_success_before"] is not None]
    return float(np.mean(values)) if values else None


def _works(case: Sequence[Row]) -> bool:
    success = _success(case)
    return success is not None and success >= WORKS


def _table(cases: Sequence[Sequence[Row]]) -> str:
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    for case in cases:
        first = case[0]
        poison_found = sum(row["poison_found"] for row in case)
        cells = [
            _case_name(first),
            first["model"],
            str(len(case)),
            spread(case, "attack_success_before", _percent),
            spread(case, "tpr", _percent),
            spread(case, "fpr", _percent),
            spread(case, "precision", _percent),
            spread(case, "auroc", lambda value: f"{value:.4f}"),
            spread(case, "review", lambda value: f"{value:.0f}"),
            f"{poison_found} of {len(case)}",
            _retrain(case),
            _trigger(case),
            spread(case, "attack_success_after", _percent),
            spread(case, "accuracy_before", _percent),
            spread(case, "accuracy_after", _percent),
            spread([{"s": row["train_s"] + row["log_s"]} for row in case], "s", lambda value: f"{value:.0f}"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _table_by_seed(cases: Sequence[Sequence[Row]]) -> str:
    lines = [f"| {' | '.join(SEED_HEADS)} |", "|" + "---|" * len(SEED_HEADS)]
    for row in (row for case in cases for row in case):
        caught = f"{row['found']} of {row['poisoned']}"
        if not row["poisoned"]:
            caught = "called" if row["poison_found"] else "no poison found"
        aim = f" ({row['target']:g})" if row["rate"] else ""
        cells = [
            f"{_case_name(row)}, {row['seed']}{aim}",
            _one(row["attack_success_before"], _percent),
            _one(row["accuracy_before"], _percent),
            caught,
            f"{row['wrongly_quarantined']} of {row['clean']:,}",
            str(row["review"]),
            _one(row["auroc"], lambda value: f"{value:.4f}"),
            _one(row["p_value"], lambda value: f"{value:.1e}"),
            row.get("retraining") or "-",
            _one(row["attack_success_after"], _percent),
            _one(row["accuracy_after"], _percent),
            ", ".join(_one(row[f"{stage}_s"], lambda value: f"{value:.0f}") for stage in ("train", "log", "cluster")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _case_name(row: Row) -> str:
    return f"{row['data']} {row['attack']}" + (f" {row['rate']:.4g}" if row["rate"] else "")


def _one(value: float | None, shown: Callable[[float], str]) -> str:
    return "-" if value is None else shown(value)


def _retrain(case: Sequence[Row]) -> str:
    """Return what leave-out retrainings did, each with its number of seeds where they differ."""
    outcomes = Counter(row.get("retraining") or "-" for row in case)
    return (
        next(iter(outcomes)) if len(outcomes) == 1 else ", ".join(f"{what} {n}" for what, n in outcomes.most_common())
    )


def _trigger(case: Sequence[Row]) -> str:
    """Return how many samples the triggers turned that were estimated, and their controls; a dash where none was."""
    tried = [row for row in case if row.get("trigger_turned") is not None]
    if not tried:
        return "-"
    return f"{spread(tried, 'trigger_turned')} ({_percent(max(row['trigger_control'] for row in tried))})"


def spread(case: Sequence[Row], name: str, shown: Callable[[float], str] = _percent) -> str:
    """Return the mean and, where seeds differ, the least and the most; a dash where there is no value."""
    values = [row[name] for row in case if row[name] is not None]
    if not values:
        return "-"
    low, mean, high = shown(min(values)), shown(float(np.mean(values))), shown(max(values))
    return mean if low == high else f"{mean} ({low} to {high})"
