"""What all stage tasks share: the cache key, the retries, the names that a person reads in the UI."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from prefect import Task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.exceptions import CrashedRun
from prefect.runtime import task_run
from prefect.tasks import exponential_backoff

from tasks import inert
from telltale_core import stages
from telltale_core.errors import Transient

log = logging.getLogger(__name__)
Found = TypeVar("Found")
RETRIES = 3
FIRST_DELAY_S = 10


def cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Return ``<task name>-<stage key>``: content, settings and code version; never a run id or a place."""
    return f"{context.task.name}-{parameters['key']}"


def worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a failed stage may succeed when tried again: by the error's class, never by its text.

    Bad input, settings, conflicts and a commit of unknown outcome stay failed. A plain function, because Prefect 3.8
    never calls a partial or a method here.
    """
    error = state.result(raise_on_failure=False)
    return isinstance(error, Transient | CrashedRun)


def run_name() -> str:
    """Return what the UI calls a task run, such as ``train drop 3fa94c1``."""
    parameters = task_run.parameters
    upstream = parameters.get("upstream")
    if upstream is None:
        return f"{task_run.task_name} {stem(parameters['source'])}"
    return f"{task_run.task_name} drop {upstream['keys']['ingest'][:7]}"


def stem(source: str) -> str:
    """Return the last part of a path or URL, fit for a run's name: what a person calls a drop."""
    return inert.name(source.rstrip("/").rsplit("/", 1)[-1] or source)


RETRY: dict[str, Any] = {
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(FIRST_DELAY_S),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": worth_retrying,
    "task_run_name": run_name,
}
# JSON, because a pickled result would run code in whoever reads it.
CACHED: dict[str, Any] = {
    **RETRY,
    "cache_policy": CacheKeyFnPolicy(cache_key_fn=cache_key),
    "persist_result": True,
    "result_serializer": "json",
}


def patiently(look: Callable[[], Found]) -> Found:
    """Return what is found in a store, looked for as often as a stage is tried: a flow's body has no retries."""
    for tried in range(RETRIES):
        try:
            return look()
        except Transient as error:
            wait_s = FIRST_DELAY_S * 2**tried * random.uniform(1, 1.5)  # noqa: S311 - jitter
            log.warning("%s; looked for again in %.0f s", error, wait_s)
            time.sleep(wait_s)
    return look()


def run(
    stage: Task[..., stages.Record],
    upstream: stages.Record | str,
    work: str,
    settings: Mapping[str, Any],
    **options: Any,
) -> stages.Record:
    """Return the stage's record, from the cache where both the cached record and its folder in the work area stand.

    ``options`` are what the task takes besides; they decide nothing about the result.
    """
    name = stage.name
    key = patiently(lambda: stages.key_for(name, upstream, settings))
    gone = patiently(lambda: stages.standing(name, key, upstream, settings, work)) is None
    state: Any = stage.with_options(refresh_cache=gone)(
        upstream, work, dict(settings), key, **options, return_state=True
    )
    if state.name == "Cached":
        log.info("%s: reused, nothing to compute", name)
    record: stages.Record = state.result()
    return record
