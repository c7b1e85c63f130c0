from __future__ import annotations

import html
from typing import Any

import pytest

from tasks.artifacts import link, question, report_address
from tasks.history import markdown
from tasks.keys import artifact
from telltale_core.report.history import Entry

PAGE: dict[str, Any] = {"keys": {"report": "abc"}}


def test_addresses_are_text_to_copy_unless_the_operator_says_how_a_browser_opens_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TELLTALE_S3_LINK", raising=False)
    address = report_address(PAGE, "s3://work/area/")
    assert address == "s3://work/area/report/abc/report.html"
    shown = link(address)
    assert html.unescape(shown) == f"<code>{address}</code>"
    monkeypatch.setenv("TELLTALE_S3_LINK", "https://store.example/browse/{bucket}?key={key}")
    assert link(address).endswith("(<https://store.example/browse/work?key=area/report/abc/report.html>)")
    assert html.unescape(link("/srv/runs/report.html")) == "<code>/srv/runs/report.html</code>"
    monkeypatch.setenv("TELLTALE_S3_LINK", "javascript:alert(1)//{bucket}{key}")
    assert link(address) == shown


def test_a_hostile_statement_does_not_act_in_the_question() -> None:
    asked = [{"code": "two_labels", "text": "<img src=y> [a](b)", "cure": "drop.label_column = '<b>'"}]
    outcome = {
        "statement": "<img src=x> [a](b)",
        "counts": {"keep": 1},
        "dataset": "s3://clean/<b>",
        "questions": asked,
    }
    shown = question(outcome, PAGE, "s3://work/area")
    assert "two&#95;labels" in shown
    assert "<img" not in shown
    assert "[a](b)" not in shown
    assert "<b>" not in shown


def test_the_history_has_one_key_a_dataset_and_escapes_a_contributors_words() -> None:
    assert artifact("history", "s3://clean/Signs EU/").startswith("history-signs-eu-")
    assert artifact("verdict", "s3://one/signs") != artifact("verdict", "s3://two/signs")
    entry = Entry(
        number=1, created_at="2026-01-01T00:00:00Z", drop="a|b<script>", judged=9, held_back=3, rejected=0,
        share=1 / 3, kind="drop", by="",
    )  # fmt: skip
    text = markdown("s3://clean/signs", [entry])
    assert "| version | created | drop | held back | rejected rows | what |" in text
    assert "| 1 | 2026-01-01 00&#58;00 | a&#124;b&#60;script&#62; | 3 of 9 (33.3 %) | 0 | drop |" in text
    assert "](data:image/png;base64," in text
