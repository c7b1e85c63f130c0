"""kill -9 of whatever takes part, at seeded random moments: each drop ends published once, whole, with all its samples.

``E2E_KILLS=10 pytest tests/e2e/test_kills.py`` kills each part ten times; without it nothing is killed.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows import names
from telltale_core import publish
from telltale_core.errors import NotFound

KILLS = int(os.environ.get("E2E_KILLS", "0"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not KILLS, reason="minutes each: E2E_KILLS=10 kills each part ten times"),
]
SEEDS = list(range(max(KILLS, 1)))
SETS = "s3://clean/sets"


@pytest.fixture
def supervised(running: Any) -> Iterator[None]:
    """What died is started again after two seconds, as a service manager does."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(2):
            for process in list(running.processes.values()):
                if not process.alive():
                    process.start()

    thread = threading.Thread(target=look)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def reader() -> Iterator[list[str]]:
    """Somebody who reads the dataset all the time; what is wrong with what they saw."""
    stop, wrong, whole = threading.Event(), [], set()

    def read() -> None:
        while not stop.wait(3):
            try:
                versions = publish.log(f"{SETS}/kills")
                wrong.extend(str(v.counts) for v in versions if sum(v.counts.values()) != 2 * v.counts["ingested"])
                for number in {version.number for version in versions} - whole:  # all its files, at first sight
                    wrong.extend(publish.verify(f"{SETS}/kills", number).problems)
                    whole.add(number)
            except NotFound:
                continue
            except Exception as error:  # noqa: BLE001 - a half-written version may show as anything
                wrong.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=read)
    thread.start()
    yield wrong
    stop.set()
    thread.join()


def epochs(inbox: Any, key: str) -> dict[str, str]:
    """Return the finished epochs of a training in the shared work area, with their time."""
    listed = inbox.s3.get_paginator("list_objects_v2")
    pages = listed.paginate(Bucket="work", Prefix=f"area/train/{key}")  # a tag holds 40 of the key's 64 digits
    objects = [each for page in pages for each in page.get("Contents", []) if "/epoch-" in each["Key"]]
    return {each["Key"].rsplit("/", 1)[-1]: str(each["LastModified"]) + each["ETag"] for each in objects}


def training_of(running: Any, drop: str) -> dict[str, Any] | None:
    """Return the newest training of a drop that is at work."""
    trainings = [run for run in running.trainings_of(drop) if run["state_type"] == "RUNNING"]
    return trainings[-1] if trainings else None


def settle(running: Any, inbox: Any, name: str) -> None:
    """Wait for the drop's version, and check that it is one, whole, and that its run ended well."""
    version = inbox.version("kills", source=name, limit_s=1800)
    assert version.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    assert publish.verify(f"{SETS}/kills", version.number).ok
    [run] = running.runs_of(f"kills/{name}")
    ended = running.ended(run["id"], 1200)
    while ended["state_type"] == "CRASHED":  # killed after its commit: the reconcile flow has it run again
        time.sleep(5)
        ended = running.ended(run["id"], 1200)
    assert ended["state_name"] == "Completed"
    assert [source.rsplit("/", 1)[-1] for source in inbox.sources("kills")].count(name) == 1


def noticed_s(running: Any, run: str, killed: float) -> float:
    """Return how long it took from the kill until the server called the run crashed."""

    def crashed() -> list[float]:
        states = running.ask(f"/flow_run_states/?flow_run_id={run}", method="GET")
        return [datetime.fromisoformat(s["timestamp"]).timestamp() for s in states if s["type"] == "CRASHED"]

    seconds: float = min(running.wait_for("the crash is noticed", crashed, 600)) - killed
    assert seconds <= names.LOST_AFTER_S + names.HEARTBEAT_S
    return seconds


@pytest.mark.parametrize("seed", SEEDS)
def test_the_host_of_a_training_is_lost(
    seed: int, running: Any, inbox: Any, supervised: None, reader: list[str]
) -> None:
    name, moment = f"training-{seed}", random.Random(seed)
    inbox.put(f"kills/{name}")
    run = running.wait_for("the training runs", lambda: training_of(running, f"kills/{name}"), 900)
    key = next(tag for tag in run["tags"] if tag.startswith("train:")).removeprefix("train:")
    at = moment.randrange(1, 8)
    host = running.processes["worker-gpu"]
    local = Path(host.environment["XDG_CACHE_HOME"])
    running.wait_for(
        "some epochs", lambda: len(epochs(inbox, key)) >= at or not training_of(running, f"kills/{name}"), every_s=0.3
    )
    time.sleep(moment.uniform(0, 0.5))
    host.environment = {**host.environment, "XDG_CACHE_HOME": f"{local}-after-{seed}"}  # another host takes over
    host.kill()
    killed = time.time()
    shared = epochs(inbox, key)
    done = list(local.rglob(f"{key}*/losslog/member-*/epoch-*.parquet"))
    noticed = noticed_s(running, run["id"], killed)
    running.note(case="training host lost", seed=seed, at_epoch=len(done), noticed_s=noticed)
    assert at <= len(done) < 10  # it was killed at its work
    settle(running, inbox, name)
    after = epochs(inbox, key)
    assert len(after) == 10
    assert {epoch: after[epoch] for epoch in shared} == shared  # trained once
    assert len(done) - len(shared) <= 1
    assert reader == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_host_of_a_run_is_lost(seed: int, running: Any, inbox: Any, supervised: None, reader: list[str]) -> None:
    name, moment = f"run-{seed}", random.Random(100 + seed)
    inbox.put(f"kills/{name}")

    def at_work() -> Any:
        return next((run for run in running.runs_of(f"kills/{name}") if run["state_type"] == "RUNNING"), None)

    run = running.wait_for("the run runs", at_work, 900)
    time.sleep(moment.uniform(0, 40))
    assert at_work(), "it ended before it could be killed"
    running.processes["worker-cpu"].kill()
    killed = time.time()
    running.note(case="run's host lost", seed=seed, noticed_s=noticed_s(running, run["id"], killed))
    settle(running, inbox, name)
    assert reader == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", ["bridge", "server"])
def test_the_bridge_or_the_server_is_killed(
    victim: str, seed: int, running: Any, inbox: Any, supervised: None, reader: list[str]
) -> None:
    name, moment = f"{victim}-{seed}", random.Random(200 + seed)
    inbox.put(f"kills/{name}")
    time.sleep(moment.uniform(0, 3 if victim == "bridge" else 90))
    running.processes[victim].kill()
    settle(running, inbox, name)
    assert reader == []
    running.note(case=f"{victim} killed", seed=seed)


def test_figures_are_kept(running: Any) -> None:
    figures = [json.loads(line) for line in running.figures.read_text().splitlines()]
    assert {figure["seed"] for figure in figures if figure["case"] == "server killed"} == set(SEEDS)
