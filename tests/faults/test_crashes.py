"""F1: the process dies by SIGKILL after each step of publishing; the same command again gives one whole version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telltale_core.publish import log, publish, read_version, verify
from telltale_core.publish.failpoint import FAILPOINTS
from tests.support import storage as support
from tests.support.publish_once import publish_once

ROOT = Path(__file__).parents[2]
PARTS = ("files", "quarantine", "rejected", "index", "report", "counts", "drop", "lineage", "verdict", "run_key")


def run(job: Path, out: str, failpoint: str = "") -> int:
    environment = {**os.environ, "TELLTALE_FAILPOINT": failpoint}
    command = [sys.executable, "-W", "error", "-m", "tests.support.publish_once", str(job), out, "run-2"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode


def again(job: Path, out: str) -> None:
    """Publish as the killed process tried to, in this process (to save time)."""
    publish_once(job, out, "run-2")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    support.make_job(root)
    return root


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    return support.make_job(tmp_path_factory.mktemp("earlier"), n=8, seed=3)


@pytest.fixture(scope="module")
def uninterrupted(job, earlier, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    publish(*earlier, out, run_key="run-1", lineage=support.CODE)
    assert run(job, str(out)) == 0
    return read_version(out).manifest


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_f1_killed_at_any_point_then_run_again_is_one_whole_version(job, earlier, uninterrupted, tmp_path, failpoint):
    out = tmp_path / "out"
    publish(*earlier, out, run_key="run-1", lineage=support.CODE)
    assert run(job, str(out), failpoint) == -9
    committed = failpoint == "after-commit"
    assert read_version(out).number == (2 if committed else 1)
    assert verify(out).ok
    again(job, str(out))
    assert [version.run_key for version in log(out)] == ["run-1", "run-2"]
    manifest = read_version(out).manifest
    same = {name: manifest[name] for name in PARTS} == {name: uninterrupted[name] for name in PARTS}
    assert same
    assert verify(out).ok


def test_f1_killed_against_s3_then_run_again(job, s3_url):
    assert run(job, s3_url, "quarantine-blobs") == -9
    assert log(s3_url) == []
    again(job, s3_url)
    assert len(log(s3_url)) == 1
    assert verify(s3_url).ok


def test_f11_publishing_creates_reads_and_lists_and_neither_overwrites_nor_deletes(earlier):
    store, transport = support.faulty_store("memory://f11", lambda _operation, _key: None)
    for run_key in ("run-1", "run-1"):
        publish(*earlier, store, run_key=run_key, lineage=support.CODE)
    assert verify(store).ok
    assert {operation for operation, _ in transport.calls} == {"create", "persist", "get", "stat", "scan"}
