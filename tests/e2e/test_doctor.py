"""The whole stack with parts of it away: ``telltale doctor`` ends with code 1 and names each, as long as it is so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from tests.support import storage
from tests.support.stack import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="processes go and come, minutes: E2E_WHOLE=1 runs them"),
]
AREAS = {"inbox area", "work area", "clean area"}
SERVING = ("bridge", "worker-cpu", "worker-gpu")


@pytest.fixture
def whole(running: Any) -> Any:
    """The stack once nothing stands in the way."""
    running.wait_for("nothing stands in the way", lambda: problems(running) == {}, 300)
    return running


def problems(running: Any, **environment: str) -> dict[str, str]:
    """Return what the command finds of each problem; its exit code says whether there are some."""
    done = running.telltale("doctor", "--json", expect=None, **environment)
    checks = json.loads(done.stdout)["checks"]
    bad = {check["name"]: check["found"] for check in checks if check["status"] == "problem"}
    assert done.returncode == (1 if bad else 0)
    return bad


def test_a_store_that_is_away_and_a_key_that_it_does_not_know(whole: Any, store: tuple[str, int]) -> None:
    assert set(problems(whole, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")) == AREAS
    refusing = storage.LossyProxy(store)
    refusing.plan = lambda _line: 403
    try:
        refused = problems(whole, AWS_ENDPOINT_URL=f"http://127.0.0.1:{refusing.port}")
    finally:
        refusing.close()
    assert set(refused) == AREAS
    assert all("403" in words for words in refused.values())


def test_standing_defaults_that_no_run_would_take(whole: Any) -> None:
    deployment = whole.ask("/deployments/name/cleanse/cleanse", method="GET")
    address, parameters = f"/deployments/{deployment['id']}", deployment["parameters"]
    wrong = {**parameters, "config": {**parameters["config"], "proxy": {"epoks": 3}}}
    try:
        whole.ask(address, {"enforce_parameter_schema": False}, method="PATCH")
        whole.ask(address, {"parameters": wrong}, method="PATCH")
        assert set(problems(whole)) == {"standing settings"}
    finally:
        whole.ask(address, {"parameters": parameters}, method="PATCH")
        whole.ask(address, {"enforce_parameter_schema": True}, method="PATCH")


@pytest.fixture
def older_release(tmp_path: Path) -> Iterator[str]:
    """A folder that, on Python's path, makes a process one of Telltale 0.0.1."""
    record = tmp_path / "older" / "telltale_cleanse-0.0.1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: telltale-cleanse\nVersion: 0.0.1\n")
    (record / "entry_points.txt").write_text(distribution("telltale-cleanse").read_text("entry_points.txt") or "")
    yield str(record.parent)
    shutil.rmtree(record.parent)


def test_a_worker_of_another_release(whole: Any, older_release: str) -> None:
    path = os.pathsep.join([older_release, whole.common["PYTHONPATH"]])
    older = whole.start_worker("gpu", name="older", PYTHONPATH=path)
    try:
        mixed = whole.wait_for("the older worker is heard of", lambda: problems(whole), 120)
    finally:
        older.kill()
        del whole.processes["older"]
    assert set(mixed) == {"versions"}
    assert "worker-gpu older has Prefect" in mixed["versions"]
    assert "Telltale 0.0.1" in mixed["versions"]


def test_no_bridge_and_no_worker(whole: Any) -> None:
    for name in SERVING:
        whole.processes[name].kill()
    try:
        away = {"bridge", "workers of cpu", "workers of gpu"}
        whole.wait_for("they are missed", lambda: set(problems(whole)) == away, 180)
    finally:
        for name in SERVING:
            whole.processes[name].start()
    whole.wait_for("they are back", lambda: problems(whole) == {}, 300)
