"""The store answers 503, resets connections, is slow and loses replies: nothing wrong is published, and it heals."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telltale_core import publish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="minutes: E2E_WHOLE=1 runs them"),
]
FAULTS: tuple[str | int, ...] = (503, "cut", "lose", "slow")
SHARE = 0.08


@pytest.fixture
def lossy(store: tuple[str, int]) -> Iterator[Any]:
    support = sys.modules["telltale_storage_support"]
    proxy = support.LossyProxy(store)
    yield proxy
    proxy.close()


def cleanse(running: Any, lossy: Any, settings: Path, name: str, expect: int | None) -> Any:
    words = ["cleanse", f"s3://raw/by-hand/faulty/{name}", "--out", "s3://clean/sets/faulty", "--json"]
    words += ["--work", "s3://work/faulty", "--config", str(settings)]
    return running.telltale(*words, expect=expect, AWS_ENDPOINT_URL=f"http://127.0.0.1:{lossy.port}")


def test_a_run_gets_through_a_faulty_store_with_the_right_result(
    running: Any, inbox: Any, lossy: Any, settings_file: Path
) -> None:
    inbox.put("faulty/some", folder="by-hand")
    moment, injected = random.Random(7), []

    def plan(_line: str) -> str | int:
        if moment.random() >= SHARE:
            return "pass"
        injected.append(FAULTS[len(injected) % len(FAULTS)])
        if injected[-1] == "slow":
            time.sleep(1)
            return "pass"
        return injected[-1]

    lossy.plan = plan
    told = json.loads(cleanse(running, lossy, settings_file, "some", 0).stdout)
    assert told["version"] == 1
    assert set(injected) == set(FAULTS), injected
    assert publish.verify("s3://clean/sets/faulty", 1).ok
    [version] = publish.log("s3://clean/sets/faulty")
    assert version.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}


def test_a_store_that_stays_away_fails_the_run_in_time_and_the_next_run_heals(
    running: Any, inbox: Any, lossy: Any, settings_file: Path
) -> None:
    inbox.put("faulty/away", folder="by-hand")
    calls = []

    def plan(line: str) -> str | int:
        calls.append(line)
        return 503 if "/clean/" in line else "pass"

    lossy.plan = plan
    began = time.monotonic()
    failed = cleanse(running, lossy, settings_file, "away", None)
    running.note(case="store away", gave_up_s=time.monotonic() - began, tries=sum("/clean/" in line for line in calls))
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "503 SlowDown" in json.loads(failed.stdout)["error"]["message"]
    [run] = [run for run in running.runs("cleanse") if run["parameters"]["source"].endswith("/faulty/away")]
    assert (run["state_type"], "503 SlowDown" in run["state"]["message"]) == ("FAILED", True)
    before = len(inbox.sources("faulty"))
    lossy.plan = lambda _line: "pass"
    cleanse(running, lossy, settings_file, "away", 0)
    assert len(inbox.sources("faulty")) == before + 1
