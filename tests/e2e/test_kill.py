"""kill -9 at any moment, then the same command again: one version, the same bytes, no epoch trained twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telltale_core import publish
from telltale_core.publish import Version

Telltale = Callable[..., Any]


def held_by(version: Version) -> list[tuple[str, int | None]]:
    return [(blob.sha256, blob.rows) for blob in version.blobs("files", "quarantine", "rejected")]


def epochs(work: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in work.glob("train/*/losslog/member-0/epoch-*.parquet")}


def test_killed_in_training_and_run_again_it_resumes_and_publishes_the_same(
    telltale: Telltale, undisturbed: Any, small_drop: Path, tmp_path: Path
) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    command = ("cleanse", small_drop, "--out", out, "--work", work, "--json")
    first = telltale(*command)
    deadline = time.monotonic() + 240
    while len(epochs(work)) < 3:
        assert first.process.poll() is None, first.messages.read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.kill()
    assert not list(work.glob("train/*/train.json"))
    trained = epochs(work)

    assert telltale(*command).result()["version"] == 1
    after = epochs(work)
    assert len(after) == 10
    kept = [name for name in trained if after[name] == trained[name]]
    assert len(kept) >= len(trained) - 1  # at most the epoch in the making is trained again
    [version] = publish.log(out)
    assert held_by(version) == undisturbed
    assert publish.verify(out).ok


WHOLE = pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="a minute, as tests/faults has it: E2E_WHOLE=1")


@pytest.mark.parametrize("place", [pytest.param("first-blob", marks=WHOLE), "after-commit"])
def test_killed_in_publishing_and_run_again_there_is_one_version(
    place: str, telltale: Telltale, undisturbed: Any, small_drop: Path, small_work: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    command = ("cleanse", small_drop, "--out", out, "--work", small_work, "--json")
    assert telltale(*command, TELLTALE_FAILPOINT=place).process.wait(280) == -signal.SIGKILL
    assert len(publish.log(out)) == (1 if place == "after-commit" else 0)

    assert telltale(*command).result()["version"] == 1
    [version] = publish.log(out)
    assert held_by(version) == undisturbed
    assert publish.verify(out).ok
