"""A worker of the whole stack told to end while a drop is cleansed: the run goes on by itself, and publishes once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from deployments.worker import SAVE_S
from telltale_core import publish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="a drop, started twice, minutes: E2E_WHOLE=1 runs it"),
]
BUSY_S = 120.0  # a loaded machine may not let processes run for a while


@pytest.fixture
def hurried(running: Any) -> Iterator[Any]:
    """The worker of the pool cpu, which on SIGTERM gives its runs no time to finish."""
    worker = running.processes["worker-cpu"]
    patient = worker.command

    def start_again(command: list[str]) -> None:
        worker.kill()
        worker.command = command
        worker.start()

    start_again([*patient, "--finish-s", "0"])
    yield worker
    start_again(patient)


def test_the_worker_of_a_run_is_drained_and_started_again(running: Any, inbox: Any, hurried: Any) -> None:
    inbox.put("drained/one")

    def training_states() -> list[str]:
        return [one["state_type"] for one in running.trainings_of("drained/one")]

    running.wait_for("it trains", lambda: training_states() == ["RUNNING"], every_s=0.3)
    hurried.popen.send_signal(signal.SIGTERM)
    assert hurried.popen.wait(SAVE_S + BUSY_S) == 0
    [run] = running.runs_of("drained/one")
    states = running.ask(f"/flow_run_states/?flow_run_id={run['id']}", method="GET")
    assert "CRASHED" in {state["type"] for state in states}  # reported by the run itself
    assert inbox.objects_below("clean", "sets/drained/") == []
    hurried.start()
    version = inbox.version("drained")
    assert version.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    ended = running.ended(run["id"])
    assert (ended["state_name"], ended["run_count"]) == ("Completed", 2)
    assert training_states() == ["COMPLETED"]
    assert len(publish.log("s3://clean/sets/drained")) == 1
