"""What an operator watches, as Prometheus reads it: ``GET /metrics`` of a process of its own, asked of the server.

What Prefect exports itself (``/api/metrics`` of the server, ``PREFECT_SERVER_METRICS_ENABLED``) is not said again here:
events, requests, its own services. A number that cannot be had now is left out, and ``telltale_up`` says so.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows import names
from flows.alive import heard
from flows.start_run import read_feed, started_keys
from telltale_core import publish
from telltale_core.errors import TelltaleError

log = logging.getLogger(__name__)
WINDOW = timedelta(hours=1)
PAGE = 200
STAGES = ("ingest", "train", "spectrum", "cluster", "report", "publish")
STORE_ERRORS = ("StorageError", "Transient", "CommitUnknown", "Corrupt", "NotFound")


class GpuSeconds:
    """How long trainings ran for each dataset, since this process began: a counter, so it never falls.

    The server forgets runs, so what ended is added up here, once.
    """

    def __init__(self, since: datetime | None = None) -> None:
        self.since = since or datetime.now(UTC)
        self.ended: defaultdict[str, float] = defaultdict(float)
        self.counted: dict[Any, datetime] = {}  # runs that ended of late, and when
        self.reported: dict[str, float] = {}

    def of(self, runs: Iterable[FlowRun], now: datetime) -> dict[str, float]:
        """Return the seconds by dataset, with what these runs add: all that run, or ended within the window."""
        seconds = defaultdict(float, self.ended)
        for run in runs:
            end = run.end_time or now
            if run.id in self.counted or run.start_time is None or end < self.since:
                continue
            dataset = next((tag.partition(":")[2] for tag in run.tags if tag.startswith("dataset:")), "")
            took = max(0.0, (end - max(run.start_time, self.since)).total_seconds())
            seconds[dataset] += took
            if run.end_time is not None:
                self.ended[dataset] += took
                self.counted[run.id] = end
        self.counted = {run: end for run, end in self.counted.items() if end > now - 2 * WINDOW}
        for dataset, value in seconds.items():  # the clocks of server and host may differ by a little
            self.reported[dataset] = max(value, self.reported.get(dataset, 0.0))
        return dict(self.reported)


class Telltale(Collector):
    """Asks server and inbox anew at each scrape."""

    def __init__(self) -> None:
        self.gpu_seconds = GpuSeconds()

    def collect(self) -> Iterator[Metric]:
        """Yield the families that could be had, then whether all could."""
        failed = 0
        with get_client(sync_client=True) as client:
            for family in (_drops, _runs, self._gpus, _stages, _processes, _datasets):
                try:
                    yield from list(family(client))
                except Exception as error:  # noqa: BLE001 - a number that is away must not hide the others
                    failed += 1
                    log.warning("%s: not measured: %s", family.__name__.strip("_"), type(error).__name__)
        yield _gauge("telltale_up", "Whether everything could be measured.", [((), float(not failed))])

    def _gpus(self, client: SyncPrefectClient) -> Iterator[Metric]:
        """The time that trainings held a GPU, by dataset."""
        now = datetime.now(UTC)
        flow = FlowFilter(name=FlowFilterName(any_=[names.TRAIN.split("/")[0]]))
        ended = FlowRunFilter.model_validate({"end_time": {"after_": now - WINDOW}})
        running = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING"]}}})
        runs = [run for one in (ended, running) for run in paged(client, one, flow)]
        family = CounterMetricFamily(
            "telltale_gpu_seconds_total",
            "Time that trainings held a GPU, since this process began.",
            labels=["dataset"],
        )
        for dataset, seconds in self.gpu_seconds.of({run.id: run for run in runs}.values(), now).items():
            family.add_metric([dataset], seconds)
        yield family


def _gauge(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family


def _drops(client: SyncPrefectClient) -> Iterator[Metric]:
    """Drops that wait: complete ones without a run, and those whose run has not ended."""
    arrivals = [arrival for arrival in read_feed(client).open().arrivals() if not arrival.refused]
    started = started_keys(client, [arrival.key for arrival in arrivals if arrival.complete])
    waiting = [arrival for arrival in arrivals if arrival.complete and arrival.key not in started]
    by_dataset = Counter(arrival.dataset for arrival in waiting)
    oldest = max((time.time() - arrival.newest_s for arrival in waiting), default=0.0)
    counts = [((dataset,), float(count)) for dataset, count in by_dataset.items()]
    yield _gauge("telltale_drops_waiting", "Complete drops without a run.", counts, "dataset")
    yield _gauge("telltale_oldest_drop_seconds", "Age of the oldest drop without a run.", [((), oldest)])


def _runs(client: SyncPrefectClient) -> Iterator[Metric]:
    """Runs that have not ended, or ended within the last hour, by flow and state; trainings at work."""
    runs = recent_runs(client)
    flows = {flow.id: flow.name for flow in client.read_flows()}
    states = Counter((flows.get(run.flow_id, "?"), str(run.state_name)) for run in runs)
    yield _gauge(
        "telltale_runs",
        "Runs of the last hour by state.",
        [(key, float(n)) for key, n in states.items()],
        "flow",
        "state",
    )
    busy = sum(n for (flow, state), n in states.items() if flow == names.TRAIN.split("/")[0] and state == "Running")
    places = client.read_work_pool(names.GPU_POOL).concurrency_limit or 0
    yield _gauge("telltale_gpus_busy", "Trainings that run.", [((), float(busy))])
    yield _gauge("telltale_gpus", "Trainings that may run at a time.", [((), float(places))])
    failed = Counter(
        word for run in runs for word in STORE_ERRORS if run.state and word in (run.state.message or "")[:300]
    )
    errors = [((word,), float(failed[word])) for word in STORE_ERRORS]
    yield _gauge("telltale_store_errors", "Runs of the last hour that a store's error ended.", errors, "error")


def recent_runs(client: SyncPrefectClient) -> list[FlowRun]:
    """Return the runs that began within the last hour, and all that have not ended."""
    since = FlowRunFilter.model_validate({"start_time": {"after_": datetime.now(UTC) - WINDOW}})
    live = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED"]
    alive = FlowRunFilter.model_validate({"state": {"type": {"any_": live}}})
    return list({run.id: run for wanted in (since, alive) for run in paged(client, wanted)}.values())


def paged(client: SyncPrefectClient, wanted: FlowRunFilter, flow: FlowFilter | None = None) -> Iterator[FlowRun]:
    """Yield all runs of a filter."""
    offset = 0
    while page := client.read_flow_runs(flow_filter=flow, flow_run_filter=wanted, limit=PAGE, offset=offset):
        yield from page
        offset += len(page)
        if len(page) < PAGE:
            break


def _stages(client: SyncPrefectClient) -> Iterator[Metric]:
    """How long stages took that were computed within the last hour."""
    since = TaskRunFilter.model_validate({"start_time": {"after_": datetime.now(UTC) - WINDOW}})
    tasks = [
        task for task in client.read_task_runs(task_run_filter=since, limit=PAGE) if task.state_name == "Completed"
    ]
    took = {
        stage: [task.total_run_time.total_seconds() for task in tasks if task.name.split()[0] == stage]
        for stage in STAGES
    }
    longest = [((stage,), max(seconds)) for stage, seconds in took.items() if seconds]
    mean = [((stage,), sum(seconds) / len(seconds)) for stage, seconds in took.items() if seconds]
    yield _gauge("telltale_stage_seconds", "Mean time of a stage in the last hour.", mean, "stage")
    yield _gauge("telltale_stage_longest_seconds", "Longest time of a stage in the last hour.", longest, "stage")


def _processes(client: SyncPrefectClient) -> Iterator[Metric]:
    """Bridges and workers that were heard of within the last minute."""
    signs = Counter(sign.kind for sign in heard(client))
    kinds = ("bridge", f"worker-{names.CPU_POOL}", f"worker-{names.GPU_POOL}")
    yield _gauge("telltale_processes", "Processes heard of.", [((kind,), float(signs[kind])) for kind in kinds], "kind")


def _datasets(client: SyncPrefectClient) -> Iterator[Metric]:
    """The newest version of each dataset of the table, and the share of its rows that is held back."""
    feed = read_feed(client)
    numbers, shares = [], []
    for name in sorted(feed.datasets or ()):
        try:
            version = publish.read_version(f"{feed.clean.rstrip('/')}/{name}")
        except TelltaleError:  # none yet
            continue
        counts = version.counts
        judged = counts["published"] + counts["quarantined"] + counts["review"]
        numbers.append(((name,), float(version.number)))
        shares.append(((name,), (counts["quarantined"] + counts["review"]) / judged if judged else 0.0))
    yield _gauge("telltale_dataset_version", "Number of the newest version.", numbers, "dataset")
    yield _gauge("telltale_share_set_aside", "Share of the newest version's rows held back.", shares, "dataset")
