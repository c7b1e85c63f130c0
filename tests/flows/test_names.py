"""What runs, their trainings and artifacts are called."""

from __future__ import annotations

import pytest

from flows.review_report import names_a_run
from tasks import keys

ID = "0e9c4a6e-5d5c-4f6e-9c53-1a2b3c4d5e6f"


@pytest.mark.parametrize(
    ("text", "run"),
    [
        (ID, True),
        (f"http://127.0.0.1:4200/runs/flow-run/{ID}?tab=Logs", True),
        ("cleanse signs/2026-11-22", True),
        ("./drop", False),
        (f"s3://raw/inbox/signs/{ID}", False),
        (f"drops/{ID}", False),
    ],
)
def test_a_drop_is_told_from_a_run(text: str, run: bool) -> None:
    assert names_a_run(text) is run


def test_a_run_is_called_after_dataset_and_drop_without_a_contributors_marks() -> None:
    addresses = "s3://raw/inbox/signs/[x](y)", "s3://clean/signs"
    assert keys.subject(*addresses) == "signs/_x_(y)"
    assert keys.tags(*addresses) == ["dataset:signs", "drop:_x_(y)"]


def test_an_artifact_has_a_page_for_each_dataset() -> None:
    assert keys.artifact("verdict", "s3://clean/Signs EU").startswith("verdict-signs-eu-")
    assert keys.artifact("verdict", "s3://clean/signs/") == keys.artifact("verdict", "s3://clean/signs")
    assert keys.artifact("verdict", "s3://one/signs") != keys.artifact("verdict", "s3://two/signs")
