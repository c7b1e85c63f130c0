"""A worker that is told to end, on a real server: what it trains is saved and taken up again, or finished first."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import anyio
import pytest
from prefect.workers.process import ProcessWorker
from typer.testing import CliRunner

from deployments.worker import SAVE_S, DrainingWorker, asking_often
from flows.cli import app
from telltale_core import publish, stages
from telltale_core.config import to_dict
from telltale_core.drop import DropConfig
from telltale_core.proxy.checkpoint import load_record
from tests.support.commands import Started

POOL = "told-to-end"
BUSY_S = 60.0  # a loaded machine may not let processes run for a while
EPOCHS = 60


def wait_for(what: str, there: Callable[[], Any], worker: Started) -> Any:
    until = time.monotonic() + 300
    while not (answer := there()):
        assert worker.process.poll() is None, worker.messages.read_text()[-3000:]
        assert time.monotonic() < until, f"{what}: {worker.messages.read_text()[-3000:]}"
        time.sleep(0.02)
    return answer


def test_a_worker_asks_for_runs_every_two_seconds_unless_the_operator_says_otherwise() -> None:
    from prefect.settings import PREFECT_WORKER_QUERY_SECONDS, temporary_settings

    with asking_often():
        assert PREFECT_WORKER_QUERY_SECONDS.value() == 2.0
    with temporary_settings({PREFECT_WORKER_QUERY_SECONDS: 30}), asking_often():
        assert PREFECT_WORKER_QUERY_SECONDS.value() == 30.0


def test_a_run_that_is_resumed_before_its_process_ended_waits_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person answers at once: the server hands the run out again while its worker still holds a place for it."""
    held, other = (SimpleNamespace(flow_run=SimpleNamespace(id=uuid4())) for _ in range(2))
    submitted: list[Any] = []

    async def handed_out(_worker: Any) -> list[Any]:
        return [held, other]

    async def submit(_worker: Any, run: Any) -> None:
        submitted.append(run.id)

    async def ask(worker: DrainingWorker) -> None:
        async with anyio.create_task_group() as worker._runs_task_group:
            await worker.get_and_submit_flow_runs()

    async def both() -> None:
        worker = DrainingWorker("cpu", name="one", limit=2)
        worker._limiter, worker._has_successfully_synced = anyio.CapacityLimiter(2), True
        worker._limiter.acquire_on_behalf_of_nowait(held.flow_run.id)
        await ask(worker)
        assert submitted == [other.flow_run.id]
        worker._limiter.release_on_behalf_of(held.flow_run.id)
        monkeypatch.setattr(ProcessWorker, "_get_scheduled_flow_runs", only_held)
        await ask(worker)
        assert submitted == [other.flow_run.id, held.flow_run.id]

    async def only_held(_worker: Any) -> list[Any]:
        return [held]

    monkeypatch.setattr(ProcessWorker, "_get_scheduled_flow_runs", handed_out)
    monkeypatch.setattr(ProcessWorker, "_submit_run", submit)
    monkeypatch.setattr(ProcessWorker, "get_flow_run_logger", lambda *_: logging.getLogger("run"))
    anyio.run(both)


@pytest.fixture
def client(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    with get_client(sync_client=True) as prefect_client:
        yield prefect_client


@pytest.fixture
def pool(client: Any) -> Iterator[str]:
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    yield POOL
    client.delete_work_pool(POOL)


@pytest.fixture
def worker(pool: str, tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Start a worker of the pool; none outlives the test."""
    started: list[Started] = []

    def start(*words: str) -> Started:
        variables = {**os.environ, "PREFECT_WORKER_QUERY_SECONDS": "1", "OMP_NUM_THREADS": "1"}
        arguments = ["worker", "--pool", pool, "--limit", "1", *words]
        started.append(Started(tmp_path / f"worker-{len(started)}", arguments, variables))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.mark.slow
def test_a_training_is_saved_and_taken_up_again_or_finished_before_its_worker_ends(
    client: Any, worker: Callable[..., Started], small_drop: Path, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from flows.train_proxy import train_proxy

    work = str(tmp_path / "work")
    drop = stages.ingest(str(small_drop), work, to_dict(DropConfig()))
    deployment = client.create_deployment(
        flow_id=client.create_flow(train_proxy),
        name="train-proxy",
        entrypoint="flows.train_proxy.train_proxy",
        work_pool_name=POOL,
        job_variables={"stream_output": False},
        pull_steps=[],
    )
    parameters = {"upstream": drop, "work": work, "settings": {**small_settings["proxy"], "epochs": EPOCHS}}

    def make() -> Any:
        return client.create_flow_run_from_deployment(deployment, parameters=parameters).id

    def state(run: Any) -> Any:
        return client.read_flow_run(run).state

    def epochs() -> dict[str, int]:
        files = Path(work).glob("train/*/losslog/member-0/epoch-*.parquet")
        return {file.name: file.stat().st_mtime_ns for file in files}

    first, ending = make(), worker("--finish-s", "0")
    wait_for("two epochs", lambda: len(epochs()) >= 2, ending)
    ending.process.send_signal(signal.SIGTERM)
    assert ending.process.wait(SAVE_S + BUSY_S) == 0, ending.messages.read_text()[-3000:]
    assert "did not end and are killed" not in ending.messages.read_text()
    assert state(first).is_crashed()  # reported by the run itself, so it is known at once
    done = epochs()
    [saved] = Path(work).glob("train/*/checkpoint/member-0.safetensors")
    stands = load_record(saved)
    assert len(done) == stands.epoch < EPOCHS
    steps = 600 // 16
    assert stands.epoch * steps <= stands.step < (stands.epoch + 1) * steps

    second, finishing = make(), worker("--finish-s", "600")
    wait_for("it goes on", lambda: len(epochs()) > len(done), finishing)
    finishing.process.send_signal(signal.SIGTERM)
    wait_for("it takes no more", lambda: "takes no more runs" in finishing.messages.read_text(), finishing)
    third = make()
    assert finishing.process.wait(600) == 0, finishing.messages.read_text()[-3000:]
    assert state(second).is_completed()
    assert state(third).is_scheduled()
    after = epochs()
    assert len(after) == EPOCHS
    assert {name: after[name] for name in done} == done  # none was trained twice


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="a drop, started twice, a minute: E2E_WHOLE=1 runs it")
def test_a_run_of_a_drained_worker_is_started_again_and_goes_on_where_it_was(
    client: Any, worker: Callable[..., Started], small_drop: Path, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from flows import names
    from flows.cleanse import cleanse
    from flows.reconcile import reconcile

    work, out = tmp_path / "work", tmp_path / "out"
    deployment = client.create_deployment(
        flow_id=client.create_flow(cleanse),
        name=names.CLEANSE.split("/")[1],
        entrypoint="flows.cleanse.cleanse",
        work_pool_name=POOL,
        job_variables={"stream_output": False},
        pull_steps=[],
        enforce_parameter_schema=False,
    )
    config = {**small_settings, "proxy": {**small_settings["proxy"], "epochs": 30}}
    parameters = {"source": str(small_drop), "destination": str(out), "work": str(work), "config": config}
    run = client.create_flow_run_from_deployment(deployment, parameters=parameters).id

    def state() -> Any:
        return client.read_flow_run(run).state

    def epochs() -> dict[str, int]:
        files = work.glob("train/*/losslog/member-0/epoch-*.parquet")
        return {file.name: file.stat().st_mtime_ns for file in files}

    first = worker("--finish-s", "0")
    wait_for("two epochs", lambda: len(epochs()) >= 2, first)
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(SAVE_S + BUSY_S) == 0, first.messages.read_text()[-3000:]
    assert "did not end and are killed" not in first.messages.read_text()
    assert state().is_crashed()  # reported by the run itself
    done = epochs()
    assert 2 <= len(done) < 30
    assert not out.exists()

    reconcile.fn()
    assert state().name == "AwaitingRetry"
    second = worker("--finish-s", "600")
    wait_for("it takes the run", lambda: state().is_running(), second)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(600) == 0, second.messages.read_text()[-3000:]
    ended = client.read_flow_run(run)
    assert (ended.state.name, ended.run_count) == ("Completed", 2)
    [version] = publish.log(out)
    assert version.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    after = epochs()
    assert len(after) == 30
    assert {name: after[name] for name in done} == done  # none was trained twice
    client.delete_deployment(deployment)


def test_a_pool_whose_runs_are_elsewhere_is_refused(client: Any) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name="of-containers", type="docker"))
    result = CliRunner().invoke(app, ["worker", "--pool", "of-containers"])
    client.delete_work_pool("of-containers")
    assert result.exit_code == 2
    assert "outlive their worker" in result.stderr
    result = CliRunner().invoke(app, ["worker", "--pool", "of-nobody"])
    assert result.exit_code == 2
    assert "telltale deploy" in result.stderr
