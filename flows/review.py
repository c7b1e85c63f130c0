"""Runs that wait for a person, and what becomes of them: the same decision as the form in the UI, from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from tasks import keys
from tasks.history import show_history
from tasks.receipts import Receipts
from tasks.review import APPROVAL_LABEL, MAX_WORDS, WAITS, signed
from telltale_core.errors import BadInput, ConfigError, Conflict, NotFound

FLOW = "cleanse"
UNDECIDED = "NeedsReview"
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that waits for a person: suspended, or ended as ``NeedsReview`` because nobody was there to ask."""

    id: str
    name: str
    state: str
    since: str
    message: str


def waiting() -> list[Waiting]:
    """Return the runs that wait for a person, the latest first (at most 200)."""
    with get_client(sync_client=True) as client:
        return [_shown(run) for run in _runs(client)]


def decide(
    run: str,
    *,
    approve: bool,
    by: str,
    reason: str,
    in_place: Callable[[dict[str, Any]], object],
    release: Sequence[str] = (),
    hold: Sequence[str] = (),
) -> dict[str, str]:
    """Return what the decision did: ``run``, ``state`` (``resumed``, ``started``, ``published``, ``rejected``).

    ``run`` is a run's id, its page's address, or its name. A suspended run is resumed with the decision. One that ended
    as ``NeedsReview`` is marked; approved, its deployment runs again, or without a deployment the flow runs here:
    ``in_place`` gets its parameters. What is approved is what the run asked, and nothing else: where something has
    changed since, the new run asks again. ``release`` and ``hold`` name samples that go another way than the verdict's;
    a run that does not know one of them asks again, too. Deciding twice is a :class:`Conflict`.
    """
    if not by.strip() or not reason.strip() or len(reason) > MAX_WORDS:
        raise ConfigError(f"a decision needs a name (--by) and a reason (--reason) of at most {MAX_WORDS} characters")
    decision = signed(by, reason, release, hold)
    with get_client(sync_client=True) as client:
        flow_run = _find(client, run)
        if flow_run.state_name == WAITS:
            return _resume(client, flow_run, approve=approve, decision=decision)
        word = "Approved" if approve else "Rejected"
        message = f"{word} by {decision['by']}: {decision['reason']}"
        if not approve:
            _mark(client, flow_run, word, message)
            show_history(str(flow_run.parameters["destination"]), word, flow_run.id)
            asked = {name: flow_run.parameters.get(name, "") for name in ("source", "work", "receipt")}
            receipts = Receipts(str(asked["source"]), str(asked["work"]), wanted=bool(asked["receipt"]))
            receipts.ended({"state": "rejected"})
            return {"run": str(flow_run.id), "state": "rejected"}
        if not (code := flow_run.labels.get(APPROVAL_LABEL)):
            raise Conflict(
                f"run {flow_run.name!r} ({flow_run.id}) does not say what it asked "
                f"(a dry run, or one of an older release): "
                "it cannot be approved: run its drop again, then approve that run"
            )
        parameters = {
            **flow_run.parameters,
            "approve": code,
            "reviewer": decision["by"],
            "reason": decision["reason"],
            **{name: decision.get(name, []) for name in ("release", "hold")},  # not those of an earlier decision
        }
        if flow_run.deployment_id is None:
            in_place(parameters)
            _mark(client, flow_run, word, message)
            return {"run": str(flow_run.id), "state": "published"}
        addresses = str(parameters["source"]), str(parameters["destination"])
        started = client.create_flow_run_from_deployment(
            flow_run.deployment_id,
            parameters=parameters,
            idempotency_key=f"approve:{flow_run.id}",
            name=f"cleanse {keys.subject(*addresses)}",
            work_queue_name=flow_run.work_queue_name if flow_run.work_pool_name else None,
            tags=[*keys.tags(*addresses), "started-by:approval"],
        )
        _mark(client, flow_run, word, f"{message}. Published by run {started.id}")
        return {"run": str(started.id), "state": "started"}


def _resume(client: SyncPrefectClient, run: FlowRun, *, approve: bool, decision: dict[str, Any]) -> dict[str, str]:
    answer = {
        "decision": "approve" if approve else "reject",
        "reviewer": decision["by"] or "?",
        "reason": decision["reason"] or "?",
        "release": decision.get("release", []),
        "hold": decision.get("hold", []),
    }
    result = client.resume_flow_run(run.id, run_input=answer)
    if result.status is not SetStateStatus.ACCEPT:
        why = getattr(result.details, "reason", None) or "the server refused"
        raise Conflict(f"run {run.name!r} ({run.id}) was not resumed: {why}")
    return {"run": str(run.id), "state": "resumed"}


def _mark(client: SyncPrefectClient, run: FlowRun, name: str, message: str) -> None:
    client.set_flow_run_state(run.id, Completed(name=name, message=message), force=True)


def find_by_id(client: SyncPrefectClient, text: str) -> FlowRun | None:
    """Return the run whose id stands in a text, such as the address of its page; None where no id does."""
    if not (match := _UUID.search(text)):
        return None
    try:
        return client.read_flow_run(UUID(match[0]))
    except ObjectNotFound:
        raise NotFound(f"the Prefect server knows no run {match[0]}; is PREFECT_API_URL the right one?") from None


def _find(client: SyncPrefectClient, text: str) -> FlowRun:
    """Return the one waiting run that ``text`` means."""
    if run := find_by_id(client, text):
        if run.state_name not in (WAITS, UNDECIDED):
            raise Conflict(f"run {run.name!r} ({run.id}) is {run.state_name}: it does not wait for a person")
        return run
    named = [run for run in _runs(client) if run.name == text]
    if not named:
        raise NotFound(f"no waiting run is called {text!r}: `telltale reviews` lists those that wait")
    if len(named) > 1:
        ids = ", ".join(str(run.id) for run in named)
        raise BadInput("ambiguous_run", f"{len(named)} waiting runs are called {text!r}; name one by its id: {ids}")
    return named[0]


def _runs(client: SyncPrefectClient) -> list[FlowRun]:
    names = FlowRunFilterStateName(any_=[WAITS, UNDECIDED])
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(name=names)),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=200,
    )


def _shown(run: FlowRun) -> Waiting:
    state = run.state
    return Waiting(
        id=str(run.id),
        name=run.name,
        state=str(run.state_name),
        since=state.timestamp.isoformat(timespec="seconds") if state else "",
        message=(state.message or "") if state else "",
    )
