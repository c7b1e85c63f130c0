"""Which trainings go first where GPUs are scarce: small ones, until a large one has waited for an hour.

Then those go first that came first. So a large one waits for an hour at most, or for the small ones that came before
it, then until ``reconcile`` looks (5 minutes) and a GPU is free. A small one waits for large ones that came before it,
and for later ones until ``reconcile`` looks again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound

from flows import names
from tasks.train_elsewhere import LARGE_QUEUE

log = logging.getLogger(__name__)
PATIENCE_S = 3600.0


def ranks(waited_s: Mapping[str, float]) -> dict[str, int]:
    """Return the rank of each queue of the pool gpu, 1 goes first; ``waited_s`` is how long the first of each waited.

    A queue in which nothing waits is not in ``waited_s``.
    """
    large = waited_s.get(LARGE_QUEUE, 0.0)
    first = large >= PATIENCE_S and large > waited_s.get(names.DEFAULT_QUEUE, 0.0)
    order = (LARGE_QUEUE, names.DEFAULT_QUEUE) if first else (names.DEFAULT_QUEUE, LARGE_QUEUE)
    return {queue: rank for rank, queue in enumerate(order, 1)}


def places(gpus: int) -> dict[str, tuple[int, int | None]]:
    """Return rank and places of each queue of the pool gpu as deployed: of several GPUs, large ones leave one free."""
    free = {LARGE_QUEUE: gpus - 1 or None}  # with one GPU they have its place, too
    return {queue: (rank, free.get(queue)) for queue, rank in ranks({}).items()}


def take_turns(client: SyncPrefectClient, waiting: Iterable[FlowRun], now: datetime | None = None) -> None:
    """Give the queues of the pool gpu their ranks by the trainings that wait; what was never deployed has none."""
    now = now or datetime.now(UTC)
    waited_s: dict[str, float] = {}
    for run in waiting:
        name, since = run.work_queue_name or names.DEFAULT_QUEUE, run.expected_start_time or now
        waited_s[name] = max(waited_s.get(name, 0.0), (now - since).total_seconds())
    wanted = ranks(waited_s)
    try:
        queues = [client.read_work_queue_by_name(name, work_pool_name=names.GPU_POOL) for name in wanted]
    except ObjectNotFound:
        return
    standing = [queue.priority or 0 for queue in queues]
    if standing != sorted(standing):
        for queue in queues:
            client.update_work_queue(queue.id, priority=wanted[queue.name])
        log.info("trainings that go first now: those of the queue %s", queues[0].name)
