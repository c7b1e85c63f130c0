"""Repairs runs of a lost machine: the same run goes on, its finished stages and epochs are used again."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter
from prefect.states import Crashed, Scheduled

from flows import names
from flows.gpu_turns import take_turns
from tasks import redaction, sanitize

log = logging.getLogger(__name__)
AT_ONCE = 200
RESTARTED = (names.CLEANSE, names.ARRIVAL)  # the others come again by their schedule, or are started by these
FIRST_DELAY_S = 60.0


@flow(name="reconcile", flow_run_name="reconcile")
@redaction.withholding
def reconcile(max_runs: int = 5, pending_s: float = names.PENDING_S, silent_s: float = 300.0) -> dict[str, int]:
    """Start crashed cleansing runs again, ever later, at most ``max_runs`` times each; free what never began.

    Runs whose heartbeat stopped are found by the server itself, after 100 s; where it missed one, it is found here.

    A training that crashed is not started from here: the run that waits for it does that; its finished epochs stand.
    A large training that waited for long goes first.

    Args:
        max_runs: How often one run may be started in all; after that a person should look.
        pending_s: Seconds after which a run that is still about to start counts as lost.
        silent_s: Seconds without any event, such as a heartbeat, after which a running one counts as lost.

    """
    with get_client(sync_client=True) as client:
        never_started = [run for run in _runs(client, StateType.PENDING) if _old(run, pending_s)]
        for run in never_started:
            message = f"lost: it was about to start for more than {pending_s:.0f} s"
            _set(client, run, Crashed(message=message))
        silent = [
            run for run in _runs(client, StateType.RUNNING) if _old(run, silent_s) and _silent(client, run, silent_s)
        ]
        for run in silent:
            message = f"lost: no sign of life for more than {silent_s:.0f} s"
            _set(client, run, Crashed(message=message))
        crashed = [run for name in RESTARTED for run in _runs(client, StateType.CRASHED, name)]
        starts = {run.id: _starts(client, run) for run in crashed}
        again = [run for run in crashed if starts[run.id] < max_runs]
        restarted = sum(_start_again(client, run, starts[run.id]) for run in again)
        for run in crashed:
            if run not in again and run.state_name != names.GAVE_UP:  # told once
                _set(client, run, Crashed(name=names.GAVE_UP, message=_after("given up", run)))
        take_turns(client, _runs(client, StateType.SCHEDULED, names.TRAIN))
    counts = {
        "pending": len(never_started),
        "silent": len(silent),
        "restarted": restarted,
        "given up": len(crashed) - len(again),
    }
    log.info("lost before their start %d, silent %d, started again %d, for a person to look at %d", *counts.values())
    return counts


def _start_again(client: SyncPrefectClient, run: FlowRun, starts: int) -> bool:
    at = datetime.now(UTC) + timedelta(seconds=_delay_s(starts))
    return _set(client, run, Scheduled(name="AwaitingRetry", message=_after("started again", run), scheduled_time=at))


def _after(done: str, run: FlowRun) -> str:
    why = (run.state.message if run.state else "") or "a crash"
    return sanitize.line(f"{done} after: {why.removeprefix('given up after: ')}")[:400]


def _starts(client: SyncPrefectClient, run: FlowRun) -> int:
    """Return how often a crashed run was started: as often as it ran, and each crash before it ran ended a start, too.

    Crashes are counted, not what was done about them: several of these flows may look at one crash at a time.
    """
    states = sorted(client.read_flow_run_states(run.id), key=lambda state: state.timestamp)
    crashed = [False, *(state.is_crashed() for state in states)]
    return max(run.run_count, sum(now and not before for before, now in pairwise(crashed)))


def _set(client: SyncPrefectClient, run: FlowRun, state: State[Any]) -> bool:
    """Return whether a run was given a state: it is left alone where it went on since it was listed."""
    now = client.read_flow_run(run.id)
    if now.state is None or run.state is None or now.state.id != run.state.id:
        return False
    client.set_flow_run_state(run.id, state, force=True)
    return True


def _delay_s(starts: int) -> float:
    """Return how long the next start waits: not at all after the first, then 60, 120, 240 s."""
    return 0.0 if starts <= 1 else FIRST_DELAY_S * 2 ** (starts - 2)


def _runs(client: SyncPrefectClient, kind: StateType, deployment: str | None = None) -> list[FlowRun]:
    chosen = [deployment] if deployment else names.DEPLOYMENTS
    deployments = DeploymentFilter(name=DeploymentFilterName(any_=[name.split("/")[1] for name in chosen]))
    state = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[kind])))
    runs: list[FlowRun] = []
    while page := client.read_flow_runs(
        deployment_filter=deployments, flow_run_filter=state, limit=AT_ONCE, offset=len(runs)
    ):
        runs += page
        if len(page) < AT_ONCE:
            break
    return runs


def _silent(client: SyncPrefectClient, run: FlowRun, seconds: float) -> bool:
    """Return whether no event of a run, not even a heartbeat, was told in the last ``seconds``."""
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    criteria = {"resource": {"id": [f"prefect.flow-run.{run.id}"]}, "occurred": {"since": since}}
    return not client.read_events(EventFilter.model_validate(criteria), limit=1).events


def _old(run: FlowRun, seconds: float) -> bool:
    since = run.state.timestamp if run.state else run.expected_start_time
    return since is not None and datetime.now(UTC) - since > timedelta(seconds=seconds)
