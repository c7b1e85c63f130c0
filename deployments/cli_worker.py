"""The command of a worker, which runs until it is told to stop."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from flows.console import Outcome
from telltale_core.errors import ConfigError, Transient

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
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("a worker needs the server that telltale deploy was run against: set PREFECT_API_URL")
    import anyio
    import httpx

    from deployments.worker import DrainingWorker, check_pool, serve

    try:
        check_pool(pool)
    except httpx.HTTPError as error:
        raise Transient(f"the Prefect server did not answer: {type(error).__name__}") from error
    made = DrainingWorker(pool, name=name or None, limit=limit)
    anyio.run(lambda: serve(made, finish_s, with_healthcheck=with_healthcheck))
    return Outcome(data={"worker": made.name, "stopped": True}, lines=[f"worker {made.name} stopped"])
