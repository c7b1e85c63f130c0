"""Results that are kept in the repository: one JSON file a suite, a row a line, so that a change can be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from telltale_core.bench.opinion_tables import summary
from telltale_core.errors import NotFound

Row = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
OF_A_CASE = (
    "data", "attack", "rate", "seed", "target", "attack_success_before", "accuracy_before", "found", "poisoned",
    "wrongly_quarantined", "clean", "review", "auroc", "p_value", "retraining", "attack_success_after",
    "accuracy_after", "train_s", "log_s", "cluster_s", "poison_found", "tpr", "fpr", "precision",
)  # fmt: skip


def read_results(name: str, folder: Path | None = None) -> Row:
    """Return what is kept of a suite; raises :class:`NotFound` where nothing is."""
    folder = folder or RESULTS
    path = folder / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.json")))
        raise NotFound(f"no results of {name!r} in {folder}; there are: {names}")
    results: Row = json.loads(path.read_bytes())
    return results


def keep(folder: Path, command: str, results: Path = RESULTS) -> Path:
    """Return the file in ``results`` that now holds what ``telltale bench`` left in ``folder``.

    Where only some cases of a suite were run, their rows take the place of the old ones, and the file's note says so.
    """
    path = folder / "results.parquet"
    if not path.is_file():
        raise NotFound(f"no results in {folder}: expected {path.name}, as telltale bench leaves it")
    rows = pq.read_table(path).to_pylist()
    about = {
        "suite": rows[0]["suite"],
        "command": command,
        "date": _all(rows, "date"),
        "hardware": f"{_all(rows, 'hardware')}, {_all(rows, 'dtype')}, threads: {_all(rows, 'threads')}",
        "versions": f"torch {_all(rows, 'torch')}, Python {_all(rows, 'python')}",
        "settings": f"epochs: {_all(rows, 'epochs')}, source {_all(rows, 'code_version')}",
        "note": "",
    }
    if "opinion_s" in rows[0]:
        overview = summary(rows)
        about, lines = (
            {**about, "attack_success": overview["attack_success"], "costs": overview["costs"]},
            overview["rows"],
        )
    else:
        lines = [{name: row.get(name) for name in OF_A_CASE} for row in rows]
        about, lines = _joined(about, lines, results)
    return write_results(results / f"{about['suite']}.json", about, lines)


def _joined(about: Row, lines: list[Row], results: Path) -> tuple[Row, list[Row]]:
    """Return the new rows with those kept of the suite's other cases, in their order, and what is said of them."""
    if not (results / f"{about['suite']}.json").is_file():
        return about, lines
    old = read_results(about["suite"], results)
    new = {_case(row): row for row in lines}
    if {_case(row) for row in old["rows"]} <= set(new):
        return about, lines
    how = "; ".join(about[name] for name in ("date", "hardware", "versions", "settings"))
    cases = ", ".join(dict.fromkeys(f"{row['attack']} {100 * row['rate']:g} %" for row in lines))
    said = f"Measured anew by `{about['command']}` ({how}): {cases}."
    rows = [new.pop(_case(row), row) for row in old["rows"]]
    kept = {name: value for name, value in old.items() if name != "rows"}
    return {**kept, "note": f"{old['note']} {said}".strip()}, [*rows, *new.values()]


def _case(row: Row) -> tuple[Any, ...]:
    return row["data"], row["attack"], row["rate"], row["seed"]


def write_results(path: Path, about: Row, rows: Sequence[Any]) -> Path:
    """Return ``path``, written with a row a line."""
    head = json.dumps(about, indent=1, ensure_ascii=False)[:-2]
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f'{head},\n "rows": [\n{lines}\n ]\n}}\n', encoding="utf-8")
    return path


def _all(rows: Sequence[Row], name: str) -> str:
    return ", ".join(sorted({str(row[name]) for row in rows}))
