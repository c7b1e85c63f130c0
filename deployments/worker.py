"""Prefect's process worker, but it can be told to end: it takes no more runs, waits for its own, has the rest saved.

Prefect's sends its runs SIGTERM on its end and SIGKILL in the same moment: a training dies where it is, and as nobody
is left to say so, that is noticed only when its heartbeats stay away.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from contextlib import AbstractContextManager
from typing import Any

import anyio
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_WORKER_QUERY_SECONDS, Settings, temporary_settings
from prefect.types._datetime import now
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from telltale_core.errors import ConfigError

log = logging.getLogger(__name__)
SAVE_S = 45.0
"""How long a run that was told to end may take: a training's step, its state to the store, a report to the server."""
LOOK_EVERY_S = 0.2
ASK_EVERY_S = 2.0  # Prefect's default is 10


class DrainingWorker(ProcessWorker):
    """Runs flow runs as processes of this host; :meth:`drain` ends that in good order."""

    def __init__(self, pool: str, *, name: str | None, limit: int) -> None:
        super().__init__(pool, name=name, limit=limit, create_pool_if_not_found=False)
        self.draining = False
        self.hurried = False
        self._taking = anyio.Lock()
        self._groups: set[int] = set()

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Leave Prefect's own worker the one that is found under the type ``process``."""
        return "telltale-process"

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take scheduled runs, unless this worker is about to end."""
        async with self._taking:
            if self.draining:
                self._last_polled_time = now("UTC")  # it is well
                return []
            return await super().get_and_submit_flow_runs()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """Leave a run for later whose last process has not ended here, as one that is resumed at once.

        Prefect's worker (3.8.8) ends of it, and every run of its with it.
        """
        held = set(self.limiter.statistics().borrowers)
        return [one for one in await super()._get_scheduled_flow_runs() if one.flow_run.id not in held]

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run a flow run, whose process leads a process group."""
        noted = _Noted(self._groups, task_status)
        try:
            return await super().run(flow_run, configuration, noted)
        finally:
            self._groups.discard(noted.group)

    async def drain(self, finish_s: float) -> None:
        """Return once no run is left: each may finish within ``finish_s``, then it is told to save what it has."""
        self.draining = True
        async with self._taking:  # what was being taken is taken
            pass
        log.info("worker %s takes no more runs; %d are at work", self.name, self._busy())
        with anyio.move_on_after(finish_s):
            while self._busy() and not self.hurried:
                await anyio.sleep(LOOK_EVERY_S)
        if not self._busy():
            return
        log.info("%d runs are told to save what they have, within %.0f s", self._busy(), SAVE_S)
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
        with anyio.move_on_after(SAVE_S):
            while self._busy():
                await anyio.sleep(LOOK_EVERY_S)
        if self._busy():
            log.warning("%d runs did not end and are killed", self._busy())

    def _busy(self) -> int:
        return int(self.limiter.borrowed_tokens)


class _Noted:
    """A task status that keeps the process group which it is told."""

    def __init__(self, groups: set[int], inner: anyio.abc.TaskStatus[int] | None) -> None:
        self.groups, self.inner = groups, inner
        self.group = 0

    def started(self, value: Any = None) -> None:
        self.group = int(value)
        self.groups.add(self.group)
        if self.inner is not None:
            self.inner.started(value)


async def serve(worker: DrainingWorker, finish_s: float, *, with_healthcheck: bool) -> None:
    """Run a worker until SIGTERM or Ctrl-C, then drain it; a second one shortens the wait for its runs."""
    async with anyio.create_task_group() as group:
        group.start_soon(_heed, worker, finish_s, group.cancel_scope)
        with asking_often():
            await worker.start(with_healthcheck=with_healthcheck, printer=log.info)


def asking_often() -> AbstractContextManager[Settings]:
    """Have the worker ask for runs every 2 s, unless the operator set it: a drop waits for two of its starts."""
    return temporary_settings(set_defaults={PREFECT_WORKER_QUERY_SECONDS: ASK_EVERY_S})


async def _heed(worker: DrainingWorker, finish_s: float, scope: anyio.CancelScope) -> None:
    async def drain() -> None:
        await worker.drain(finish_s)
        scope.cancel()

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as group:
            async for _ in signals:
                worker.hurried = worker.draining
                if not worker.draining:
                    group.start_soon(drain)


def check_pool(pool: str) -> None:
    """Raise :class:`ConfigError` where the pool is not there, or its runs are not processes of this host."""
    with get_client(sync_client=True) as client:
        try:
            kind = client.read_work_pool(pool).type
        except ObjectNotFound:
            raise ConfigError(f"the server knows no work pool {pool!r}: run telltale deploy first") from None
    if kind != ProcessWorker.type:
        raise ConfigError(
            f"the pool {pool!r} is of type {kind}: its runs are not processes of this host and outlive their worker; "
            f"run prefect worker start --pool {pool}"
        )
