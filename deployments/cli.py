"""The command that registers everything. The command line of the flows loads it by name, where this room is there."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from flows.console import Outcome
from flows.options import Config, Set
from flows.settings import standing_settings
from telltale_core.errors import ConfigError

Inbox = Annotated[str, typer.Option("--inbox", metavar="URL", help="Where drops arrive: URL/<dataset>/<drop>/<files>.")]
Clean = Annotated[str, typer.Option("--clean", metavar="URL", help="Where datasets are published: URL/<dataset>.")]
Work = Annotated[str, typer.Option("--work", metavar="URL", help="Work area that all workers share.")]
Results = Annotated[str, typer.Option("--results", metavar="URL", help="Task results; WORK/results by default.")]
Quiet = Annotated[float, typer.Option("--quiet-s", help="Seconds of quiet that complete a drop without _SUCCESS.")]
CpuType = Annotated[str, typer.Option("--cpu-type", help="Type of the pool cpu: process, docker, kubernetes or ecs.")]
GpuType = Annotated[str, typer.Option("--gpu-type", help="Type of the pool gpu.")]
Gpus = Annotated[int, typer.Option("--gpus", help="Trainings at a time: one for each GPU of the pool gpu.")]
CpuRuns = Annotated[
    int | None, typer.Option("--cpu-runs", help="Runs at a time on the pool cpu; by default what stands.")
]
Image = Annotated[str, typer.Option("--image", help="Container image of docker, kubernetes and ecs pools.")]


def deploy(
    *,
    inbox: Inbox,
    clean: Clean,
    work: Work,
    results: Results = "",
    quiet_s: Quiet = 900.0,
    cpu_type: CpuType = "process",
    gpu_type: GpuType = "process",
    gpus: Gpus = 1,
    cpu_runs: CpuRuns = None,
    image: Image = "",
    config: Config = None,
    settings: Set,
) -> Outcome:
    """Register work pools, deployments, schedules and automations on the Prefect server; a second time changes nothing.

    \b
    Example: telltale deploy --inbox s3://raw/inbox --clean s3://clean --work s3://work/area --gpus 2
    """
    from deployments.register import Plan, register
    from flows.starting import Feed

    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("telltale deploy needs a server of your own: start one and set PREFECT_API_URL")
    chosen = standing_settings(config, settings) if config is not None or settings else None
    plan = Plan(
        feed=Feed(inbox=inbox, clean=clean, quiet_s=quiet_s),
        work=work,
        results=results or f"{work.rstrip('/')}/results",
        cpu_type=cpu_type,  # type: ignore[arg-type]  # checked by pools.template
        gpu_type=gpu_type,  # type: ignore[arg-type]
        gpus=gpus,
        cpu_runs=cpu_runs,
        image=image,
        config=chosen,
    )
    done = register(plan)
    after = ["start workers: telltale worker --pool cpu --limit 4; one for each GPU: telltale worker --pool gpu"]
    after += ["start the bridge: telltale bridge --queue URL; see what is missing: telltale doctor"]
    return Outcome(data={"registered": done}, heads=("what", "name"), rows=done, after=after)
