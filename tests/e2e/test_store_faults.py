"""The store answers 503, resets connections, is slow and loses replies: nothing wrong is published, and it heals."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telltale_core import publish
from telltale_core.storage.s3 import REQUEST_DEADLINE_S
from tests.support import storage as support

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="minutes: E2E_WHOLE=1 runs them"),
]
FAULTS: tuple[str | int, ...] = (503, "cut", "lose", "slow")
SHARE = 0.08
LATE_S = REQUEST_DEADLINE_S + 5
GIVES_UP_S = 345  # a request's 60 s, four times, and the waits between the tries of a stage
COUNTS = {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
PROCESS_S = 60  # its start and the stages before on a busy machine


@pytest.fixture
def lossy(store: tuple[str, int]) -> Iterator[Any]:
    proxy = support.LossyProxy(store)
    yield proxy
    proxy.close()


def faulty(lossy: Any) -> list[str | int]:
    """Let the proxy inject faults from now on, each kind by turns; return them. The first slow reply comes too late."""
    moment, injected = random.Random(7), []

    def plan(_line: str) -> str | int:
        if moment.random() >= SHARE:
            return "pass"
        injected.append(FAULTS[len(injected) % len(FAULTS)])
        if injected[-1] == "slow":
            time.sleep(1 if injected.count("slow") > 1 else LATE_S)
            return "pass"
        return injected[-1]

    lossy.plan = plan
    return injected


def cleanse(running: Any, lossy: Any, settings: Path, name: str, expect: int | None) -> Any:
    words = ["cleanse", f"s3://raw/by-hand/faulty/{name}", "--out", "s3://clean/sets/faulty", "--json"]
    words += ["--work", "s3://work/faulty", "--config", str(settings)]
    return running.telltale(*words, expect=expect, AWS_ENDPOINT_URL=f"http://127.0.0.1:{lossy.port}")


def test_a_run_gets_through_a_faulty_store_with_the_right_result(
    running: Any, inbox: Any, lossy: Any, settings_file: Path
) -> None:
    inbox.put("faulty/some", folder="by-hand")
    injected = faulty(lossy)
    outcome = json.loads(cleanse(running, lossy, settings_file, "some", 0).stdout)
    assert outcome["version"] == 1
    assert set(injected) == set(FAULTS), injected
    assert publish.verify("s3://clean/sets/faulty", 1).ok
    [version] = publish.log("s3://clean/sets/faulty")
    assert version.counts == COUNTS


def test_a_drop_gets_through_the_whole_stack_on_a_faulty_store(running: Any, inbox: Any, lossy: Any) -> None:
    workers = [running.processes[name] for name in ("worker-cpu", "worker-gpu")]
    before = [worker.environment for worker in workers]
    injected = faulty(lossy)
    try:
        for worker in workers:
            worker.environment = {**worker.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{lossy.port}"}
            worker.kill()
            worker.start()
        inbox.put("faults/stack")
        version = inbox.version("faults", source="stack", limit_s=900)
        [run] = running.runs_of("faults/stack")
        assert running.ended(run["id"], 600)["state_name"] == "Completed"
    finally:
        for worker, environment in zip(workers, before, strict=True):
            worker.environment = environment
            worker.kill()
            worker.start()
    assert version.counts == COUNTS
    assert set(injected) == set(FAULTS), injected
    assert publish.verify("s3://clean/sets/faults", version.number).ok
    assert len(publish.log("s3://clean/sets/faults")) == 1


@pytest.mark.parametrize("bucket", ["clean", "work"])
def test_a_store_that_stays_away_fails_the_run_in_time_and_the_next_run_heals(
    bucket: str, running: Any, inbox: Any, lossy: Any, settings_file: Path
) -> None:
    name = f"{bucket}-away"
    inbox.put(f"faulty/{name}", folder="by-hand")
    calls = []

    def plan(line: str) -> str | int:
        calls.append(line)
        return 503 if f"/{bucket}/" in line else "pass"

    lossy.plan = plan
    began = time.monotonic()
    failed = cleanse(running, lossy, settings_file, name, None)
    gave_up_s = time.monotonic() - began
    running.note(case=f"{bucket} bucket away", gave_up_s=gave_up_s, tries=sum(f"/{bucket}/" in line for line in calls))
    assert gave_up_s < GIVES_UP_S + PROCESS_S
    assert failed.returncode == 1, failed.stdout + failed.stderr
    said = json.loads(failed.stdout)["error"]["message"]
    assert f"s3://{bucket}/" in said
    assert "503" in said
    [run] = [run for run in running.runs("cleanse") if run["parameters"]["source"].endswith(f"/faulty/{name}")]
    assert (run["state_type"], said in run["state"]["message"]) == ("FAILED", True)
    before = len(inbox.sources("faulty"))
    lossy.plan = lambda _line: "pass"
    cleanse(running, lossy, settings_file, name, 0)
    assert len(inbox.sources("faulty")) == before + 1
