"""Training on another work pool: starts the flow ``train-proxy`` there, or joins the one at work, and waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import CrashedRun, ObjectNotFound

from tasks import keys, policy, redaction, story
from telltale_core import stages
from telltale_core.config import from_dict
from telltale_core.errors import StorageError, TelltaleError, Transient
from telltale_core.proxy import ProxyConfig
from telltale_core.scale import ScaleConfig

log = logging.getLogger(__name__)
LOOK_EVERY_S = 3.0
LOOK_OFTEN_S = 1.0  # at a run that is at work: of these there are as many as GPUs
SERVER_AWAY_S = 1800.0
SERVER_ERRORS = 500
LARGE_QUEUE = "large"  # of the GPUs' pool: trainings that let smaller ones go first
LARGE_TRAINING = 10_000_000  # rows times epochs from which a training is large


@task(name="train", **policy.STAGE)
@redaction.withholding
def train_elsewhere(
    upstream: stages.Record,
    work: str,
    settings: dict[str, Any],
    *,
    deployment: str,
    scale: Mapping[str, Any] | None = None,
    **_options: Any,
) -> stages.Record | State[stages.Record]:
    """Return the record of the training by a run of ``deployment``; what counts is what stands in the work area.

    ``scale``: the means that the run has there, which a deployment of an earlier release takes none of.
    """
    key = stages.key_for(stages.train, upstream, settings)
    standing = partial(stages.standing, stages.train, key, upstream, settings, work)
    if record := standing():
        return policy.shown(stages.Outcome(record=record, reused=True))
    parameters = {"upstream": upstream, "work": work, "settings": settings}
    if from_dict(ScaleConfig, scale or {}, "scale") != ScaleConfig():
        parameters["scale"] = dict(scale or {})
    run = begin(deployment, parameters, f"train:{key[:40]}", queue_for(upstream, work, settings))
    story.say("waits: for the run %s on the other pool", run.name)
    ended = wait(run.id)
    story.say("waited: %.0f s until %s began", began_after(ended), ended.name)
    if record := standing():
        return record
    raise failure(ended)


def retrain_elsewhere(work: str, deployment: str) -> Callable[[stages.Record, str], None]:
    """Return what has the leave-out retraining of a verdict done by a run of ``deployment``."""

    def retrain(upstream: stages.Record, key: str) -> None:
        parameters = {"upstream": upstream, "work": work, "settings": upstream["settings"]["proxy"], "left_out": key}
        queue = queue_for(upstream, work, parameters["settings"])
        ended = wait(begin(deployment, parameters, f"leave-out:{key[:40]}", queue).id)
        if not stages.retrained(work, key):
            raise failure(ended)

    return retrain


def deployed(deployment: str) -> bool:
    """Return whether a training can be handed over: a deployment is named, and its server has it and its pool.

    A server that is away is waited for, as by :func:`wait`: else this run would train outside the pool.
    """
    if not deployment:
        return False
    last_s = time.monotonic()
    while True:
        try:
            with get_client(sync_client=True) as client:
                return client.read_deployment_by_name(deployment).work_pool_name is not None
        except (ObjectNotFound, ValueError) as error:
            log.warning("train: in this run, there is no deployment %s (%s)", deployment, type(error).__name__)
            return False
        except httpx.HTTPError as error:
            _be_patient(error, last_s)


def queue_for(upstream: stages.Record, work: str, settings: Mapping[str, Any]) -> str | None:
    """Return the queue of a training that lets smaller ones go first, or None for the deployment's own."""
    drop = stages.open_drop(upstream, work)
    epochs = from_dict(ProxyConfig, settings).settled(drop.modality).epochs
    return LARGE_QUEUE if len(drop) * epochs >= LARGE_TRAINING else None


def begin(deployment: str, parameters: dict[str, Any], tag: str, queue: str | None = None) -> FlowRun:
    """Return the run that does this work: one that is at it, else a new one; of several callers, one makes it.

    The idempotency key counts the runs that ended, so that a crashed one is followed by exactly one other, also where
    the answer was lost and this is asked again. :class:`Transient` where the server did not answer.
    """
    try:
        return _begin(deployment, parameters, tag, queue)
    except httpx.HTTPStatusError as error:
        if error.response.status_code >= SERVER_ERRORS:
            raise Transient(f"the Prefect server answered {error.response.status_code}") from error
        raise
    except httpx.TransportError as error:
        raise Transient(f"the Prefect server did not answer: {type(error).__name__}") from error


def _begin(deployment: str, parameters: dict[str, Any], tag: str, queue: str | None) -> FlowRun:
    with get_client(sync_client=True) as client:
        before = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])))
    alive = [run for run in before if run.state is not None and not run.state.is_final()]
    if alive:
        log.info("train: joins the run %s, which is at it", alive[0].name)
        return alive[0]
    subject = keys.own_subject() or tag.partition(":")[2][:7]
    flow_run: Any = run_deployment(
        deployment,
        parameters={**parameters, "subject": subject},
        flow_run_name=f"{tag.partition(':')[0]} {subject}",
        tags=[tag, *keys.own_tags()],
        idempotency_key=f"{tag}:{max(before, key=_created).id if before else 0}",  # not their number: old ones go
        work_queue_name=queue,
        timeout=0,
    )
    return cast("FlowRun", flow_run)


def _created(run: FlowRun) -> datetime:
    return run.created or datetime.min.replace(tzinfo=UTC)


def wait(run: UUID) -> FlowRun:
    """Return the run once it ended. A server that is away is waited for; :class:`Transient` after half an hour.

    While the run is at work, this process imports what its own later stages need.
    """
    last_s = time.monotonic()
    importing = threading.Thread(target=_load_libraries, daemon=True, name="load libraries")
    while True:
        try:
            with get_client(sync_client=True) as client:
                ended = _ended_run(client, run, importing)
        except httpx.HTTPError as error:
            _be_patient(error, last_s)
            continue
        last_s = time.monotonic()
        if ended is not None:
            if importing.ident is not None:
                importing.join()
            return ended


def _load_libraries() -> None:
    with contextlib.suppress(Exception):  # a library that is not sound ends the stage that needs it, and says why
        stages.load_libraries()


def began_after(run: FlowRun) -> float:
    """Return how many seconds a run waited for a worker and its turn; 0 where it never began."""
    if run.start_time is None or run.expected_start_time is None:
        return 0.0
    return max(0.0, (run.start_time - run.expected_start_time).total_seconds())


def _be_patient(error: httpx.HTTPError, last_s: float) -> None:
    """Wait a little for a server that last answered at ``last_s``; :class:`Transient` after half an hour."""
    if time.monotonic() - last_s > SERVER_AWAY_S:
        raise Transient(f"the Prefect server did not answer for {SERVER_AWAY_S:.0f} s") from error
    log.warning("train: the Prefect server does not answer (%s), a training goes on", type(error).__name__)
    time.sleep(LOOK_EVERY_S)


def _ended_run(client: SyncPrefectClient, run: UUID, importing: threading.Thread) -> FlowRun | None:
    """Return the run if it ended within twenty looks, else None; ``importing`` is started once it is at work."""
    for _ in range(20):
        flow_run = client.read_flow_run(run)
        if flow_run.state is not None and flow_run.state.is_final():
            return flow_run
        at_work = flow_run.state is not None and flow_run.state.is_running()
        if at_work and importing.ident is None:
            importing.start()
        time.sleep(LOOK_OFTEN_S if at_work else LOOK_EVERY_S)
    return None


def failure(run: FlowRun) -> Exception:
    """Return the error of a training that left nothing; a crash is worth another try, the rest it tried itself."""
    state = run.state
    message = f"the training {run.name} ended {state.name if state else 'without a state'}: "
    message += (state.message if state else None) or "no message"
    if state is not None and state.is_crashed():
        return CrashedRun(message)
    return StorageError(message) if state is not None and state.is_completed() else TelltaleError(message)
