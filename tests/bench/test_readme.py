"""The tables of the documents are what the results say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.bench import kept_results, readme
from telltale_core.bench.cases import SUITES
from telltale_core.errors import NotFound
from tests.bench.test_opinion_tables import ROWS

TEXTS = {path: path.read_text(encoding="utf-8") for path in readme.documents()}
RAN_ON = {"hardware": "a chip", "dtype": "float32", "threads": 1, "torch": "2", "python": "3", "epochs": 3}
STATED = {**RAN_ON, "code_version": "abc", "date": "2026-01-01"}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_a_document_holds_what_the_results_say(path: Path) -> None:
    assert TEXTS[path] == readme.filled(TEXTS[path]), "run python -m telltale_core.bench.readme"


def test_every_file_of_results_is_a_table_somewhere() -> None:
    shown = {name for text in TEXTS.values() for name in re.findall(r"<!-- table: ([\w-]+) -->", text)}
    kept = {path.stem for path in kept_results.RESULTS.glob("*.json")}
    assert shown == kept | {"found", "brief"}


def test_results_say_how_they_were_made() -> None:
    for path in kept_results.RESULTS.glob("*.json"):
        results = json.loads(path.read_bytes())
        if path.stem != "claims":
            assert all(results[what] for what in ("suite", "command", "date", "hardware", "versions", "settings")), path


def test_no_result_is_of_a_case_that_a_suite_does_not_run() -> None:
    ran = {
        (case.data, case.attack, case.rate, case.seed)
        for name in ("cpu", "adaptive", "digits", "modalities", "modalities-fresh")
        for case in SUITES[name].cases
    }
    for name in ("cpu", "adaptive", "digits", "modalities"):
        rows = readme.read_results(name)["rows"]
        assert {(row["data"], row["attack"], row["rate"], row["seed"]) for row in rows} <= ran


def test_a_table_that_changed_is_noticed() -> None:
    text = "before\n<!-- table: logging_cost -->\nold\n<!-- end -->\nafter\n"
    assert "1.53 (1.52 to 1.53)" in readme.filled(text)
    assert readme.filled(readme.filled(text)) == readme.filled(text)


def test_a_table_without_results_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(NotFound, match=r"no results of 'nothing'.*there are: adaptive, claims, cpu"):
        readme.table("nothing")


def test_a_suites_results_are_kept_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_results, "RESULTS", tmp_path)
    for name, rows in (
        ("cpu", [_case()]),
        ("asked", [{**row, "opinion_s": 1.0} for row in ROWS]),
    ):
        table = pa.Table.from_pylist([{**row, **STATED, "suite": name} for row in rows])
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "results.parquet")
        path = kept_results.keep(tmp_path / name, "telltale bench", results=tmp_path)
        assert json.loads(path.read_bytes())["hardware"] == "a chip, float32, threads: 1"
    assert "| digits badnets 0.05 | 1 | 98.00 | 100.00 | 0.00 |" in readme.table("cpu")
    assert "| scan | 74.0 / 0.20, 0.900 | - / 0.00, - | labels | 1.2 to 1.2 | 3 |" in readme.table("asked")
    assert "| dao* | 10.0 / 10.00, 0.900; 1 seed | not run |" in readme.table("asked")
    with pytest.raises(NotFound, match=r"expected results\.parquet"):
        kept_results.keep(tmp_path, "")


def test_some_cases_that_are_measured_anew_take_the_place_of_their_rows(tmp_path: Path) -> None:
    def measured(command: str, *rows: dict[str, object]) -> dict[str, Any]:
        table = pa.Table.from_pylist([{**row, **STATED, "suite": "cpu"} for row in rows])
        pq.write_table(table, tmp_path / "results.parquet")
        kept: dict[str, Any] = json.loads(kept_results.keep(tmp_path, command, results=tmp_path / "kept").read_bytes())
        return kept

    (tmp_path / "kept").mkdir()
    first, second = _case(), {**_case(), "attack": "blend"}
    assert "anew" not in measured("telltale bench", first, second)["note"]
    again = measured("telltale bench --only blend", {**second, "found": 70})
    assert [(row["attack"], row["found"]) for row in again["rows"]] == [("badnets", 75), ("blend", 70)]
    assert again["command"] == "telltale bench"
    assert "Measured anew by `telltale bench --only blend`" in again["note"]
    assert again["note"].endswith("blend 5 %.")
    whole = measured("telltale bench", first, second)
    assert [row["found"] for row in whole["rows"]] == [75, 75]
    assert "anew" not in whole["note"]


def _case() -> dict[str, object]:
    nothing = dict.fromkeys(kept_results.OF_A_CASE, None)
    scores = {"found": 75, "poisoned": 75, "wrongly_quarantined": 0, "clean": 1425, "review": 0, "tpr": 1.0, "fpr": 0.0}
    case = {"data": "digits", "attack": "badnets", "rate": 0.05, "seed": 21, "train_s": 1.0, "log_s": 1.0}
    return {**nothing, **scores, **case, "attack_success_before": 0.98}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_a_link_of_a_document_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\(([\w./-]+)\)", TEXTS[path])
    assert [link for link in links if not (path.parent / link).exists()] == []
