"""Crashed runs are started again: not for ever, and not all at once, wherever they crashed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.states import Crashed, Pending, Running

from flows import names
from flows import reconcile as module
from flows.reconcile import reconcile


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as prefect_client:
        yield prefect_client


@pytest.fixture
def run(client: SyncPrefectClient) -> Any:
    """A run of a deployment that is called like ours, about to start."""
    flow = client.create_flow_from_name(f"cleanse-{uuid4().hex[:6]}")
    deployment = client.create_deployment(flow, names.CLEANSE.split("/")[1], enforce_parameter_schema=False)
    flow_run = client.create_flow_run_from_deployment(deployment)
    yield flow_run.id
    client.delete_flow_run(flow_run.id)


def waits_s(client: SyncPrefectClient, run: Any) -> float:
    state = client.read_flow_run(run).state
    assert state is not None
    assert state.name == "AwaitingRetry"
    assert state.state_details.scheduled_time is not None
    return (state.state_details.scheduled_time - datetime.now(UTC)).total_seconds()


def test_a_run_that_never_came_to_run_is_given_up_after_five_starts(client: SyncPrefectClient, run: Any) -> None:
    waited = []
    for _ in range(4):
        client.set_flow_run_state(run, Crashed(message="no image"), force=True)
        assert reconcile.fn()["restarted"] == 1
        waited.append(round(waits_s(client, run), -1))
    assert waited == [0, 60, 120, 240]
    client.set_flow_run_state(run, Crashed(message="no image"), force=True)
    assert reconcile.fn() == {"pending": 0, "silent": 0, "restarted": 0, "given up": 1}
    assert client.read_flow_run(run).run_count == 0
    given_up = client.read_flow_run(run).state
    assert given_up is not None
    assert (given_up.name, given_up.message) == (names.GAVE_UP, "given up after: no image")
    reconcile.fn()
    again = client.read_flow_run(run).state
    assert again is not None
    assert again.id == given_up.id  # told once


def test_a_run_that_ran_counts_as_often_as_it_ran(client: SyncPrefectClient, run: Any) -> None:
    for _ in range(2):
        client.set_flow_run_state(run, Running(), force=True)
        client.set_flow_run_state(run, Crashed(message="no heartbeat"), force=True)
    assert reconcile.fn(max_runs=2)["given up"] == 1
    assert reconcile.fn(max_runs=3)["restarted"] == 1
    assert waits_s(client, run) == pytest.approx(60, abs=10)
    state = client.read_flow_run(run).state
    assert state is not None
    assert state.message == "started again after: no heartbeat"


def test_two_that_look_at_one_crash_start_the_run_once_and_count_it_once(
    client: SyncPrefectClient, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, restarts = module._starts, []

    def meanwhile(*arguments: Any) -> int:
        monkeypatch.setattr(module, "_starts", looked)
        restarts.append(reconcile.fn()["restarted"])
        return looked(*arguments)

    client.set_flow_run_state(run, Running(), force=True)
    client.set_flow_run_state(run, Crashed(message="no heartbeat"), force=True)
    monkeypatch.setattr(module, "_starts", meanwhile)
    assert (reconcile.fn()["restarted"], restarts) == (0, [1])
    client.set_flow_run_state(run, Crashed(message="no heartbeat"), force=True)
    assert reconcile.fn()["restarted"] == 1
    assert waits_s(client, run) == pytest.approx(60, abs=10)


def test_a_run_that_went_on_since_it_was_listed_is_left_alone(client: SyncPrefectClient, run: Any) -> None:
    client.set_flow_run_state(run, Pending(), force=True)
    listed = client.read_flow_run(run)
    client.set_flow_run_state(run, Running(), force=True)
    assert not module._set(client, listed, Crashed())
    state = client.read_flow_run(run).state
    assert state is not None
    assert state.is_running()


def test_a_run_that_is_about_to_start_for_too_long_is_lost(client: SyncPrefectClient, run: Any) -> None:
    client.set_flow_run_state(run, Pending(), force=True)
    assert reconcile.fn()["pending"] == 0
    assert reconcile.fn(pending_s=0.0)["pending"] == 1
    assert waits_s(client, run) == pytest.approx(0, abs=10)
