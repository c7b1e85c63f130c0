"""What all stage tasks share: the retries, the names and states that a person reads in the UI."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import CrashedRun
from prefect.runtime import task_run
from prefect.states import Completed
from prefect.tasks import exponential_backoff
from prefect.utilities.annotations import quote

from tasks.keys import own_subject, stem
from telltale_core import stages
from telltale_core.errors import Transient

log = logging.getLogger(__name__)
Value = TypeVar("Value")
RETRIES = 3
FIRST_DELAY_S = 10


def worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a failed stage may succeed when tried again: by the error's class, never by its text.

    Bad input, settings, conflicts and a commit of unknown outcome stay failed. A plain function, because Prefect 3.8
    never calls a partial or a method here.
    """
    error = state.result(raise_on_failure=False)
    return isinstance(error, Transient | CrashedRun)


def run_name() -> str:
    """Return what the UI calls a task run, such as ``train signs/2026-11-22``; by its drop where no run is named."""
    upstream = task_run.parameters["upstream"]
    upstream = upstream.unquote() if isinstance(upstream, quote) else upstream
    drop = stem(upstream) if isinstance(upstream, str) else drop_name(upstream)
    return f"{task_run.task_name} {own_subject() or drop}"


def drop_name(record: stages.Record) -> str:
    """Return what the UI calls the drop of a record, such as ``drop 3fa94c1``."""
    return f"drop {record['keys']['ingest'][:7]}"


# The work area says what stands. Of failures Prefect keeps something all the same: JSON, a pickle would run code.
RESULTS: dict[str, Any] = {"persist_result": False, "result_serializer": "json"}
STAGE: dict[str, Any] = {
    **RESULTS,
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(FIRST_DELAY_S),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": worth_retrying,
    "task_run_name": run_name,
    "cache_policy": NO_CACHE,
}


def shown(outcome: stages.Outcome) -> stages.Record | State[stages.Record]:
    """Return what a task returns, so that the UI shows a reused stage as *Cached*."""
    return Completed(name="Cached", data=outcome.record) if outcome.reused else outcome.record


def patiently(read: Callable[[], Value]) -> Value:
    """Return what is found in a store, looked for as often as a stage is tried: a flow's body has no retries."""
    for attempt in range(RETRIES):
        try:
            return read()
        except Transient as error:
            wait_s = FIRST_DELAY_S * 2**attempt * random.uniform(1, 1.5)  # noqa: S311 - jitter
            log.warning("%s; looked for again in %.0f s", error, wait_s)
            time.sleep(wait_s)
    return read()
