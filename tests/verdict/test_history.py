"""From a verdict on a drop and published versions together, the verdict on the drop alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from telltale_core.errors import Corrupt
from telltale_core.verdict.history import restricted
from telltale_core.verdict.record import Verdict
from tests.support.verdicts import verdict_of

JOINED = {
    "new/a": "keep", "v1/a": "quarantine", "new/b": "quarantine", "v2/x/y": "review", "new/c": "review", "v2/b": "keep",
}  # fmt: skip


def joined(decisions: dict[str, str]) -> Verdict:
    rows = {
        "sample_id": list(decisions),
        "suspicion": [0.9 if decision != "keep" else 0.1 for decision in decisions.values()],
        "decision": list(decisions.values()),
        "reason": [f"because of {name}" for name in decisions],
    }
    return verdict_of(rows, statement="Poison found.", poison_found=True)


def drop(*ids: str) -> Any:
    return SimpleNamespace(sample_ids=np.array(ids), digest="d" * 64)


def test_decisions_are_those_of_the_joined_verdict_in_the_order_of_the_drop() -> None:
    verdict, _ = restricted(joined(JOINED), drop("c", "a", "b"))
    assert verdict.table.select(["sample_id", "decision", "reason"]).to_pylist() == [
        {"sample_id": "c", "decision": "review", "reason": "because of new/c"},
        {"sample_id": "a", "decision": "keep", "reason": "because of new/a"},
        {"sample_id": "b", "decision": "quarantine", "reason": "because of new/b"},
    ]
    assert verdict.record.counts == {"samples": 3, "keep": 1, "quarantine": 1, "review": 1}


def test_published_rows_in_a_called_group_are_named_and_a_person_is_asked() -> None:
    verdict, suspects = restricted(joined(JOINED), drop("a", "b", "c"))
    assert suspects.select(["version", "sample_id", "decision"]).to_pylist() == [
        {"version": 1, "sample_id": "a", "decision": "quarantine"},
        {"version": 2, "sample_id": "x/y", "decision": "review"},
    ]
    assert verdict.record.needs_review
    assert [question.code for question in verdict.record.questions] == ["history_suspected"]
    assert verdict.record.statement.endswith("1 are of this drop and 1 were published before.")


def test_without_suspects_among_the_published_rows_nobody_is_asked() -> None:
    clean = {**JOINED, "v1/a": "keep", "v2/x/y": "keep"}
    verdict, suspects = restricted(joined(clean), drop("a", "b", "c"))
    assert (suspects.num_rows, verdict.record.needs_review, verdict.record.questions) == (0, False, [])


@pytest.mark.parametrize("ids", [("a", "b"), ("a", "b", "d"), ("a", "b", "c", "d")])
def test_a_joined_verdict_on_other_rows_is_refused(ids: tuple[str, ...]) -> None:
    with pytest.raises(Corrupt, match="does not hold"):
        restricted(joined(JOINED), drop(*ids))
