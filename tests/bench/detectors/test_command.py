"""``telltale compare`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app


@pytest.fixture
def run(small_work: Path, small_settings: dict[str, Any]):
    sets = [f"--set={stage}.{n}={json.dumps(v)}" for stage, values in small_settings.items() for n, v in values.items()]

    def call(*arguments: object):
        return CliRunner().invoke(app, ["compare", *map(str, arguments), "--work", str(small_work), *sets])

    return call


def test_several_opinions_on_one_training_in_one_table(run, small_drop: Path, tmp_path: Path) -> None:
    names = [f"--detector={name}" for name in ("spectral_signatures", "abl", "badloss", "scan")]
    known = tmp_path / "known.txt"
    known.write_text("\n".join(f"good-{row:03d}" for row in range(300, 400)))
    shown = run(
        small_drop, *names, "--known-clean", known, "--clean", small_drop, "--combine", 1, "--out", tmp_path / "page"
    )
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.output.split())
    assert all(name in text for name in ("spectral_signatures", "abl", "badloss", "scan"))
    assert "flags a set share of any drop" in text
    assert "votes of scan:" in text
    assert (tmp_path / "page" / "comparison.html").stat().st_size > 5000
    as_json = run(small_drop, *names, "--known-clean", known, "--clean", small_drop, "--json")
    answer = json.loads(as_json.stdout)
    assert [opinion["detector"] for opinion in answer["opinions"]] == ["spectral_signatures", "abl", "badloss", "scan"]
    assert answer["left_out"] == {}


def test_what_was_left_out_and_why_is_said(run, small_drop: Path) -> None:
    shown = run(small_drop, "--detector=abl", "--detector=scan")
    assert shown.exit_code == 0
    assert "left out: scan: needs clean set" in " ".join(shown.output.split())


def test_a_wrong_name_a_wrong_number_and_an_absent_file_are_usage_errors(run, small_drop: Path, tmp_path: Path) -> None:
    for wrong in (["--detector=none"], ["--combine=0"], ["--detector=badloss", f"--known-clean={tmp_path / 'x'}"]):
        assert run(small_drop, *wrong).exit_code == 2, wrong
