"""The command of a worker, which runs until it is told to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.server import own_server
from telltale_core.commands import Outcome

Pool = Annotated[str, typer.Option("--pool", help="The work pool, of type process: cpu or gpu.")]
Name = Annotated[str, typer.Option("--name", help="What the UI calls it; a random name if not given.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Runs at a time: one for a GPU.")]
Finish = Annotated[
    float, typer.Option("--finish-s", min=0.0, help="After SIGTERM, how long runs may take to finish by themselves.")
]
Health = Annotated[
    bool, typer.Option("--with-healthcheck", help="Answer GET /health (PREFECT_WORKER_WEBSERVER_HOST and _PORT).")
]


def worker(
    *, pool: Pool, name: Name = "", limit: Limit = 1, finish_s: Finish = 60.0, with_healthcheck: Health = False
) -> Outcome:
    """Run the flow runs of a pool as processes of this host, until SIGTERM or Ctrl-C.

    Then it takes no more runs and waits for its own. What is not done after --finish-s is told to end: a training saves
    the step it is at, the run is taken up again by itself, by this worker or another. After 45 s more it is killed.

    \b
    Examples: telltale worker --pool cpu --limit 4
              CUDA_VISIBLE_DEVICES=0 telltale worker --pool gpu --finish-s 3600
    """
    with own_server("telltale worker"):
        import anyio

        from deployments.worker import DrainingWorker, check_pool, serve
        from flows.alive import telling, this_process

        check_pool(pool)
    draining_worker = DrainingWorker(pool, name=name or None, limit=limit)
    with telling(this_process(f"worker-{pool}", draining_worker.name)):
        anyio.run(lambda: serve(draining_worker, finish_s, with_healthcheck=with_healthcheck))
    return Outcome(
        data={"worker": draining_worker.name, "stopped": True}, lines=[f"worker {draining_worker.name} stopped"]
    )
