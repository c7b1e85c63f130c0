"""The command that registers everything. The flows' command line loads it by name where this package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.server import own_server
from flows.options import Config, Set
from flows.settings import dataset_turns, inbox_folders, standing_settings
from telltale_core.commands import Outcome
from telltale_core.errors import ConfigError

if TYPE_CHECKING:
    from deployments.plan import Plan

Inbox = Annotated[str, typer.Option("--inbox", metavar="URL", help="Where drops arrive: URL/<folder>/<drop>/<files>.")]
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
AnyDataset = Annotated[
    bool,
    typer.Option("--any-dataset", help="No table of folders: who may write to the inbox may write to every dataset."),
]
NotifyUrl = Annotated[
    str,
    typer.Option(
        "--notify-url",
        metavar="URL",
        help="Webhook that is told of failures and reviews. It is its own password, and others on this host may see "
        "options: then rather set TELLTALE_NOTIFY_URL and run telltale notifications.",
    ),
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
    any_dataset: AnyDataset = False,
    notify_url: NotifyUrl = "",
    config: Config = None,
    settings: Set,
) -> Outcome:
    """Register work pools, deployments, schedules and automations on the Prefect server; a second time changes nothing.

    The file of --config says which folders of the inbox feed which dataset: [datasets.signs] inbox = ["team-a/signs"].
    What lies elsewhere in the inbox is refused.

    \b
    Example: telltale deploy --inbox s3://raw/inbox --clean s3://clean --work s3://work/area --config telltale.toml
    """
    from deployments.plan import Plan
    from deployments.register import register
    from deployments.turns import turns_of
    from flows.start_run import Feed

    form_defaults = standing_settings(config, settings) if config is not None or settings else None
    with own_server("telltale deploy"):
        plan = Plan(
            feed=Feed(inbox=inbox, clean=clean, quiet_s=quiet_s, datasets=_folders(config, settings, any_dataset)),
            work=work,
            results=results or f"{work.rstrip('/')}/results",
            cpu_type=cpu_type,  # type: ignore[arg-type]  # checked by pools.template
            gpu_type=gpu_type,  # type: ignore[arg-type]
            gpus=gpus,
            cpu_runs=cpu_runs,
            image=image,
            config=form_defaults,
            turns=turns_of(dataset_turns(config, settings)) or None,
        )
        registered = register(plan)
        registered += [("automation", name) for name in _register_notifications(notify_url)]
    after = _by_hand_alone(plan)
    after += ["start workers: telltale worker --pool cpu --limit 4; one for each GPU: telltale worker --pool gpu"]
    after += ["start the bridge: telltale bridge --queue URL; see what is missing: telltale doctor"]
    return Outcome(data={"registered": registered}, heads=("what", "name"), rows=registered, after=after)


def _by_hand_alone(plan: Plan) -> list[str]:
    """Say which datasets have settings, but no folder of the inbox: a misspelt name would look like that."""
    named, fed = (plan.config or {}).get("datasets", {}), plan.feed.datasets
    alone = [] if fed is None else [name for name in named if name not in fed]
    return [f"no folder of the inbox feeds {name}: its settings hold for runs by hand alone" for name in alone]


def _register_notifications(url: str) -> list[str]:
    """Register who is notified, where an address is given, and return the names; else leave what stands."""
    if not url:
        return []
    from datetime import timedelta

    from deployments.cli_notifications import REVIEW_DAYS
    from deployments.notifications import register

    return register(url, "", timedelta(days=REVIEW_DAYS))


def _folders(config: Path | None, settings: list[str], any_dataset: bool) -> dict[str, Any] | None:
    """Return which folders feed which dataset: as given, and where no file is given, as it stands."""
    from deployments.register import standing_folders
    from telltale_core.inbox.allowed import EXAMPLE

    folders = inbox_folders(config, settings)
    if folders and any_dataset:
        raise ConfigError("--any-dataset is for an inbox without a table: leave it out, or the lists inbox of the file")
    if folders or any_dataset:
        return folders or None
    if config is not None:
        raise ConfigError(
            f"{config} does not say which folders of the inbox feed which dataset: add them, as in {EXAMPLE}, or give "
            "--any-dataset, and whoever may write to the inbox may write to every dataset"
        )
    return standing_folders()
