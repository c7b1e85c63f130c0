"""The tables of this package's documents and of the root README, written from ``results/``.

``python -m telltale_core.bench.readme`` writes every table between ``<!-- table: NAME -->`` and ``<!-- end -->``.
``python -m telltale_core.bench.readme --keep runs/bench/results/cpu --command "telltale bench ..."`` first puts a
suite's new results into ``results/``. A file there says command, hardware, versions and date beside its rows.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from telltale_core.bench.cases import CLEAN
from telltale_core.bench.kept_results import RESULTS, keep, read_results
from telltale_core.bench.opinion_tables import table_of_opinions
from telltale_core.bench.tables import false_alarms, over_seeds, spread

Row = dict[str, Any]
BENCH = Path(__file__).parent
ROOT = BENCH.parent.parent / "README.md"
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NAMES = {
    ("cifar10-10k", "badnets"): "CIFAR-10, BadNets",
    ("cifar10-10k", "blend"): "CIFAR-10, blend",
    ("cifar10-10k", "sig"): "CIFAR-10, SIG (clean label)",
    ("cifar10-10k", "partial"): "CIFAR-10, partial (one source class, with cover)",
    ("cifar10-10k", "untargeted"): "CIFAR-10, untargeted (random labels)",
    ("cifar10-10k", "adaptive_blend"): "CIFAR-10, adaptive blend",
    ("cifar10-10k", "wanet"): "CIFAR-10, WaNet",
    ("cifar10-10k", "all_to_all"): "CIFAR-10, all-to-all",
    ("cifar10-10k", "mislabel"): "CIFAR-10, wrong labels, no trigger",
    ("cifar10-10k", "clean"): "CIFAR-10, clean",
    ("sst2", "rare_word"): "sst2 (texts), rare word",
    ("agnews", "sentence"): "agnews (texts), one sentence",
    ("housing", "combination"): "housing (table, regression), three values",
    ("steering", "badnets"): "steering (images, regression), patch",
    ("fsdd", "tone"): "spoken digits, tone",
    ("fsdd", "noise"): "spoken digits, noise",
}
"""The cases of the table by seed, in its order, and what they are called there."""
BRIEF = (
    ("cifar10-10k", "badnets", 0.05),
    ("cifar10-10k", "badnets", 0.01),
    ("cifar10-10k", "sig", 0.05),
    ("cifar10-10k", "adaptive_blend", 0.05),
    ("cifar10-10k", "all_to_all", 0.05),
    ("sst2", "rare_word", 0.05),
    ("fsdd", "tone", 0.05),
    ("housing", "combination", 0.05),
)
"""The cases of the root README's table, by rate."""


def documents() -> list[Path]:
    """Return the files that may hold tables."""
    return [*sorted(BENCH.rglob("*.md")), ROOT]


def filled(text: str) -> str:
    """Return a README's text with every table as the results have it now."""
    return TABLE.sub(lambda match: f"{match[1]}{table(match[2])}\n{match[3]}", text)


def table(name: str) -> str:
    """Return a table as Markdown: ``claims``, ``found``, ``brief``, or the name of a file in ``results/``."""
    sections: dict[str, Callable[[], str]] = {"claims": _claims, "found": _every_case, "brief": _brief}
    return sections[name]() if name in sections else _suite(read_results(name))


def _suite(results: Row) -> str:
    lines = [
        f"- Command: `{results['command']}`",
        *(f"- {name.capitalize()}: {results[name]}" for name in ("date", "hardware", "versions", "settings")),
        *(["", results["note"]] if results["note"] else []),
        "",
    ]
    if "costs" in results:
        return "\n".join([*lines, table_of_opinions(results)])
    if "columns" in results:
        return "\n".join([*lines, *markdown(results["columns"], results["rows"])])
    if all(row["attack"] == CLEAN for row in results["rows"]):
        return "\n".join([*lines, false_alarms(results["rows"])])
    return "\n".join([*lines, over_seeds(results["rows"])])


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def _claims() -> str:
    rows = []
    for claim in json.loads((RESULTS / "claims.json").read_bytes()):
        case = [row for row in read_results(claim["suite"])["rows"] if _same(row, claim)]
        wrong = float(np.mean([100 * row["fpr"] for row in case]))
        claimed, measured = (
            f"none called, {claim['most_wrong']} %",
            f"{sum(row['poison_found'] for row in case)} called",
        )
        reached = wrong <= claim["most_wrong"]
        if claim["least_found"] is None:
            reached = reached and not any(row["poison_found"] for row in case)
        else:
            reached = reached and float(np.mean([100 * row["tpr"] for row in case])) >= claim["least_found"]
            claimed, measured = f"{claim['least_found']} %, {claim['most_wrong']} %", f"{spread(case, 'tpr')} %"
        success = "-" if case[0][WORKS] is None else f"{spread(case, WORKS)} %"
        cells = [_named(claim), claimed, f"{measured}, {wrong:.2f} %", str(len(case)), success]
        rows.append([*cells, "reached" if reached else "**missed**"])
    heads = ("case", "asked: found, wrong", "measured", "seeds", "attack success", "")
    return "\n".join(markdown(heads, rows))


WORKS, AFTER = "attack_success_before", "attack_success_after"


def _every_case() -> str:
    """Return every case of ``NAMES``, by rate, seed by seed."""
    rows = [row for suite in ("cpu", "modalities") for row in read_results(suite)["rows"]]
    lines = []
    for kind in dict.fromkeys((row["data"], row["attack"], row["rate"]) for row in rows):
        case = [row for row in rows if (row["data"], row["attack"], row["rate"]) == kind]
        if kind[:2] in NAMES and kind[1] != "clean":
            lines.append((list(NAMES).index(kind[:2]), _found_cells(case)))
    heads = ("case", "seeds", "found", "wrongly quarantined", "attack success of an ordinary model")
    clean = [row for row in rows if row["attack"] == "clean"]
    called = sum(row["poison_found"] for row in clean)
    wrong = sum(row["wrongly_quarantined"] for row in clean)
    kinds = len({row["data"] for row in clean})
    last = [f"{len(clean)} clean drops of {kinds} data sets", "3 to 6", f"{called} called", f"{wrong}", "-"]
    return "\n".join(markdown(heads, [*(cells for _, cells in sorted(lines, key=lambda line: line[0])), last]))


def _brief() -> str:
    """Return the root README's table: the means of a few cases, hits and misses, and all clean drops."""
    rows = [row for suite in ("cpu", "modalities") for row in read_results(suite)["rows"]]
    lines = []
    for kind in BRIEF:
        case = [row for row in rows if (row["data"], row["attack"], row["rate"]) == kind]
        lines.append(
            [_named(case[0]), str(len(case)), f"{_mean(case, 'tpr')} %", f"{100 * _average(case, 'fpr'):.2f} %"]
        )
    clean = [row for row in rows if row["attack"] == "clean"]
    called = sum(row["poison_found"] for row in clean)
    lines.append(
        ["clean drops of 6 data sets", str(len(clean)), f"{called} called", f"{100 * _average(clean, 'fpr'):.2f} %"]
    )
    return "\n".join(markdown(("case", "drops", "poison found", "wrongly quarantined"), lines))


def _found_cells(case: Sequence[Row]) -> list[str]:
    poisoned, clean = case[0]["poisoned"], case[0]["clean"]
    after = [row[AFTER] for row in case if row[AFTER] is not None and row["poison_found"]]
    success = f"{_mean(case, WORKS)} %" if case[0][WORKS] is not None else "-"
    if len(after) == len(case):
        success += f", {_mean(case, AFTER)} % after cleansing"
    caught = _counts(case, "found", poisoned) if poisoned else f"{sum(row['poison_found'] for row in case)} called"
    return [_named(case[0]), str(len(case)), caught, _counts(case, "wrongly_quarantined", clean), success]


def _mean(case: Sequence[Row], name: str) -> str:
    return f"{100 * _average(case, name):.1f}"


def _average(case: Sequence[Row], name: str) -> float:
    return float(np.mean([row[name] for row in case]))


def _counts(case: Sequence[Row], name: str, total: int) -> str:
    """Return a count by seed, or once where all seeds agree."""
    values = [f"{row[name]:,}" for row in case]
    alike = len(set(values)) == 1
    return f"{values[0]} of {total:,} each" if alike else f"{', '.join(values)} of {total:,}"


def _named(row: Row) -> str:
    return NAMES[row["data"], row["attack"]] + (f" {100 * row['rate']:g} %" if row["rate"] else "")


def _same(row: Row, claim: Row) -> bool:
    return all(row[name] == claim[name] for name in ("data", "attack", "rate"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m telltale_core.bench.readme", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a suite's results, as telltale bench leaves them")
    parser.add_argument("--command", default="", help="the command that made them")
    options = parser.parse_args(arguments)
    if options.keep is not None:
        keep(options.keep, options.command)
    for path in documents():
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
