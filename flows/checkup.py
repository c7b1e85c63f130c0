"""The scheduled doctor: what ``telltale doctor`` finds of the stack, with the keys of the worker that runs it."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Completed, Failed

from flows import names
from flows.checks import Check
from flows.doctor_stack import examine_server
from tasks import artifacts, redaction, sanitize


@flow(name="checkup", flow_run_name="checkup")
@redaction.withholding
def checkup(role: str = "publisher") -> State[Any]:
    """Look at the stack; the final state is ``Problems`` where something stops it, ``SameProblems`` the next times.

    Only the former is told to people: once, until the problems are others.

    Args:
        role: Whose keys the worker has, see telltale doctor --role.

    """
    checks = list(examine_server(role))
    artifacts.show_checks(checks)
    problems = [check for check in checks if check.status == "problem"]
    if not problems:
        return Completed(message=f"{len(checks)} things looked at, nothing stands in the way")
    head = _head(problems)
    with get_client(sync_client=True) as client:
        known = _last_message(client).startswith(head)
    details = [f"{check.name}: {check.found}. To do: {check.todo}" for check in problems]
    name = names.SAME_PROBLEMS if known else names.PROBLEMS
    return Failed(name=name, message=sanitize.line("\n".join([head, *details])))


def _head(problems: list[Check]) -> str:
    return f"{len(problems)} problems: {', '.join(check.name for check in problems)}."


def _last_message(client: SyncPrefectClient) -> str:
    """Return the message of the last checkup that ended in problems or without; empty where there was none."""
    ended = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED, StateType.FAILED]))
    runs = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["checkup"])),
        flow_run_filter=FlowRunFilter(state=ended),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )
    return (runs[0].state.message or "") if runs and runs[0].state else ""
