"""What runs by itself, as Prefect's own deployments: each flow's pool, schedule, parameters, and what triggers it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.schedules import Interval
from prefect.types.entrypoint import EntrypointType

from deployments.plan import Plan
from flows import names
from flows.arrival import arrival
from flows.checkup import checkup
from flows.cleanse import cleanse
from flows.reconcile import reconcile
from flows.sweep import sweep
from flows.tidy import tidy
from flows.train_proxy import train_proxy
from flows.verify_all import verify_all
from telltale_core.config import label_of

EVERY = timedelta(minutes=5)
CHECKUP_EVERY = timedelta(minutes=15)
TIDY_EVERY, VERIFY_EVERY = timedelta(days=1), timedelta(days=7)
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
ANY_RUN: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}


def definitions(plan: Plan, config: Mapping[str, Any]) -> list[RunnerDeployment]:
    """Return the deployments; ``config`` holds the settings that the form of ``cleanse`` shows."""
    feed = plan.feed
    watched = {"inbox": feed.inbox, "clean": feed.clean, "quiet_s": feed.quiet_s, "datasets": feed.datasets}
    return [
        _defined(
            cleanse,
            plan,
            "Finds the poison in a drop, quarantines it, publishes the rest as a new version.",
            parameters={"work": plan.work, "train_on": names.TRAIN, "config": dict(config)},
        ),
        _defined(
            train_proxy,
            plan,
            "Trains the proxy of one drop. Started by cleanse; holds the GPU and nothing else.",
            work_pool_name=names.GPU_POOL,
        ),
        _defined(
            sweep,
            plan,
            "Starts complete drops that nobody started, because their notification was lost or never sent.",
            parameters=watched,
            work_queue_name=names.WATCH_QUEUE,
            concurrency_limit=ONE_AT_A_TIME,
            schedule=Interval(EVERY, timezone="UTC"),
        ),
        _defined(
            reconcile,
            plan,
            "Starts crashed runs again and frees what never got beyond its start.",
            parameters={"pending_s": plan.pending_s},
            work_queue_name=names.WATCH_QUEUE,
            schedule=Interval(EVERY, timezone="UTC"),
            triggers=[_crashed_runs()],
        ),
        _defined(
            arrival,
            plan,
            f"Starts one drop by name, for the event {names.LANDED_EVENT} of another system.",
            work_queue_name=names.WATCH_QUEUE,
            triggers=[_landed_drops()],
        ),
        _defined(
            checkup,
            plan,
            "Looks whether everything is there and works, as telltale doctor does; notifications tell what is not.",
            work_queue_name=names.WATCH_QUEUE,
            concurrency_limit=ONE_AT_A_TIME,
            schedule=Interval(CHECKUP_EVERY, timezone="UTC"),
        ),
        *_upkeep(plan),
    ]


def _upkeep(plan: Plan) -> list[RunnerDeployment]:
    return [
        _defined(
            tidy,
            plan,
            "Removes what nobody used for long from the work area; never a published version.",
            parameters={"work": plan.work},
            work_queue_name=names.WATCH_QUEUE,
            concurrency_limit=ONE_AT_A_TIME,
            schedule=Interval(TIDY_EVERY, timezone="UTC"),
        ),
        _defined(
            verify_all,
            plan,
            "Reads the newest version of every dataset back, and holds it against its record.",
            concurrency_limit=ONE_AT_A_TIME,
            schedule=Interval(VERIFY_EVERY, timezone="UTC"),
        ),
    ]


def _defined(flow: Flow[Any, Any], plan: Plan, description: str, **options: Any) -> RunnerDeployment:
    """Return a deployment that is called as its flow; the flow is taken from the installed package of the worker."""
    options = {"work_pool_name": names.CPU_POOL, "work_queue_name": names.DEFAULT_QUEUE} | options
    deployment: RunnerDeployment = RunnerDeployment.from_flow(
        flow,
        flow.name,
        description=description,
        tags=["telltale"],
        version=version("telltale-cleanse"),
        job_variables={"env": _environment(plan)},
        entrypoint_type=EntrypointType.MODULE_PATH,
        **options,
    )
    deployment.entrypoint = f"telltale_cleanse.{flow.fn.__name__}"
    for name, field in deployment._parameter_openapi_schema.properties.items():
        field["title"] = label_of(name)
        if "$ref" in field:
            field.pop("default", None)  # each field of a table has its own
    return deployment


def _environment(plan: Plan) -> dict[str, str]:
    return {
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(names.HEARTBEAT_S),  # what notices lost runs counts on it
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # a pickled result would run code in whoever reads it
        "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": plan.results_block,
        "PREFECT_LOGGING_EXTRA_LOGGERS": "telltale_core,tasks,flows",
    }


def _crashed_runs() -> DeploymentEventTrigger:
    return DeploymentEventTrigger(
        name=names.CRASHED_RUNS,
        description="A crashed run of cleanse goes on where it stopped, at most five times.",
        expect={"prefect.flow-run.Crashed"},
        match=ANY_RUN,
        match_related={"prefect.resource.role": "deployment", "prefect.resource.name": names.CLEANSE.split("/")[1]},
    )


def _landed_drops() -> DeploymentEventTrigger:
    return DeploymentEventTrigger(
        name=names.LANDED_DROPS,
        description=f"Another system's event {names.LANDED_EVENT} starts the drop that its payload names, once.",
        expect={names.LANDED_EVENT},
        match={"prefect.resource.id": "telltale.drop.*"},
        parameters={name: "{{ event.payload." + name + " }}" for name in ("dataset", "name")},
    )
