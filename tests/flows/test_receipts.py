"""A contributor gets an answer beside the drop, and an attacker learns nothing from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.receipts import FORMAT, Receipts
from telltale_core.drop.source import RECEIPT
from telltale_core.errors import BadInput

ALLOWED = {"format", "state", "says", "rows", "version", "reason", "at"}


def receipt(drop: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((drop / RECEIPT).read_text())
    assert set(content) <= ALLOWED
    assert content["format"] == FORMAT
    return content


@pytest.fixture
def drop(small_drop: Path, tmp_path: Path) -> Path:
    """The small drop in an inbox of its own."""
    return Path(shutil.copytree(small_drop, tmp_path / "inbox" / "drop"))


def test_a_drop_is_answered_with_its_version_and_without_a_word_of_the_verdict(
    prefect_server: str, drop: Path, tmp_path: Path, small_work: Path, small_settings: dict[str, Any]
) -> None:
    from flows.cleanse import cleanse

    def run(**options: Any) -> dict[str, Any]:
        state: Any = cleanse(
            str(drop), str(tmp_path / "out"), str(small_work), config=options.pop("config", small_settings),
            return_state=True, receipt=True, **options,
        )  # fmt: skip
        return dict(state.result())

    careful = {**small_settings, "verdict": {"review_share": 0.1}}
    assert run(config=careful)["state"] == "needs-review"
    waits = (drop / RECEIPT).read_text()
    assert receipt(drop)["state"] == "waiting"
    outcome = run()
    answer = receipt(drop)
    assert (answer["state"], answer["version"]) == ("published", 1)
    assert answer["rows"] == {"seen": 600, "read": 600, "rejected": 0, "reasons": []}
    for text in (waits, (drop / RECEIPT).read_text()):
        assert not [
            word for word in ("quarantin", "bad-", "poison", "100", "aside", "trigger", "group") if word in text
        ]
    again = run()
    assert (again["version"], again["run_key"]) == (1, outcome["run_key"])  # the receipt is no part of the drop


def test_rejected_rows_are_answered_by_the_reasons_of_their_form(
    run_cleanse: Callable[..., Any], drop: Path, tmp_path: Path, small_settings: dict[str, Any]
) -> None:
    from tasks.receipts import rows_of
    from telltale_core import stages
    from telltale_core.config import to_dict

    table = pq.read_table(drop / "train.parquet").to_pylist()
    table[0]["image"] = {"bytes": b"no image", "path": None} if isinstance(table[0]["image"], dict) else b"no image"
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table, schema=pq.read_schema(drop / "train.parquet")), drop / "train.parquet")
    record = stages.ingest(str(drop), str(tmp_path / "work"), to_dict(stages.CleanseConfig().drop))
    [reason] = rows_of(record, str(tmp_path / "work"))["reasons"]
    assert reason["rows"] == 1
    assert reason["means"]


def test_a_refused_drop_is_answered_by_its_code_alone(drop: Path, tmp_path: Path) -> None:
    answers = Receipts(str(drop), str(tmp_path), wanted=True)
    answers.refused(BadInput("rows_swallowed", "line 7 of secret.csv"))
    assert receipt(drop)["reason"]["code"] == "rows_swallowed"
    assert "secret" not in (drop / RECEIPT).read_text()


@pytest.mark.parametrize("code", ["not_in_quarantine", "ambiguous_run"])
def test_an_error_that_is_not_of_the_drops_form_is_not_answered(drop: Path, tmp_path: Path, code: str) -> None:
    Receipts(str(drop), str(tmp_path), wanted=True).refused(BadInput(code, "of the verdict"))
    assert not (drop / RECEIPT).exists()


def test_a_drop_whose_run_failed_is_not_said_to_be_looked_at(drop: Path, tmp_path: Path) -> None:
    answers = Receipts(str(drop), str(tmp_path), wanted=True)
    with pytest.raises(RuntimeError), answers.noting_failure():
        raise RuntimeError("of the verdict")
    assert receipt(drop)["state"] == "stopped"
    assert "verdict" not in (drop / RECEIPT).read_text()
    answers.refused(error := BadInput("rows_swallowed", "line 7"))
    with pytest.raises(BadInput), answers.noting_failure():
        raise error
    assert receipt(drop)["state"] == "refused"


def test_a_run_by_hand_leaves_no_receipt(drop: Path, tmp_path: Path) -> None:
    Receipts(str(drop), str(tmp_path), wanted=False).ended({"state": "published", "version": 1})
    assert not (drop / RECEIPT).exists()


def test_a_receipt_that_a_stranger_made_a_link_is_replaced_and_not_followed(drop: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("as it was")
    (drop / RECEIPT).symlink_to(tmp_path / "victim")
    Receipts(str(drop), str(tmp_path), wanted=True).ended({"state": "rejected", "review": {"reason": "a trigger"}})
    assert (tmp_path / "victim").read_text() == "as it was"
    assert receipt(drop)["state"] == "not published"


def test_a_drop_is_the_same_with_its_receipt(drop: Path, tmp_path: Path) -> None:
    from telltale_core.inbox import Inbox

    def listing() -> Any:
        [arrival] = Inbox(url=str(tmp_path / "in")).arrivals()
        return arrival.key, arrival.files

    shutil.copytree(drop, tmp_path / "in" / "signs" / "one")
    before = listing()
    (tmp_path / "in" / "signs" / "one" / RECEIPT).write_text("{}")
    assert listing() == before
