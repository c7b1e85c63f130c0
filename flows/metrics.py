"""What an operator watches, as Prometheus reads it: ``GET /metrics`` of a process of its own, asked of the server.

What Prefect exports itself (``/api/metrics`` of the server, ``PREFECT_SERVER_METRICS_ENABLED``) is not said again here:
events, requests, its own services. A number that cannot be had now is left out, and ``telltale_up`` says so.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows import names
from flows.alive import heard
from flows.start_run import Feed, read_feed, started_keys
from flows.verify_all import published_below
from telltale_core import publish
from telltale_core.publish.history import numbers
from telltale_core.storage import open_store

log = logging.getLogger(__name__)
Run = TypeVar("Run")
WINDOW = timedelta(hours=1)
PAGE = 200
STAGES = ("ingest", "train", "spectrum", "cluster", "report", "publish")
LIVE = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
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
    """Asks server and inbox anew at each scrape; which datasets there are, where no table says it, once an hour."""

    def __init__(self) -> None:
        self.gpu_seconds = GpuSeconds()
        self.names: tuple[float, list[str]] | None = None  # when they were listed

    def collect(self) -> Iterator[Metric]:
        """Yield the families that could be had, then whether all could."""
        failed = 0
        with get_client(sync_client=True) as client:
            for family in (_drops, _runs, _queues, self._gpus, _stages, _processes, self._datasets):
                try:
                    yield from family(client)
                except Exception as error:  # noqa: BLE001 - a number that is away must not hide the others
                    failed += 1
                    log.warning("%s: not measured: %s", family.__name__.strip("_"), type(error).__name__)
        yield _gauge("telltale_up", "Whether everything could be measured.", [((), float(not failed))])

    def _gpus(self, client: SyncPrefectClient) -> Iterator[Metric]:
        """The time that trainings held a GPU, by dataset."""
        now = datetime.now(UTC)
        runs = recent_runs(client, names.TRAIN.split("/")[0], live=["RUNNING"])
        family = CounterMetricFamily(
            "telltale_gpu_seconds_total",
            "Time that trainings held a GPU, since this process began.",
            labels=["dataset"],
        )
        for dataset, seconds in self.gpu_seconds.of(runs, now).items():
            family.add_metric([dataset], seconds)
        yield family

    def _datasets(self, client: SyncPrefectClient) -> Iterator[Metric]:
        """The newest version of each dataset, and the share of its rows that is held back."""
        feed = read_feed(client)
        versions, shares, failures = [], [], []
        for name in self._names(feed):
            try:
                newest = _newest(f"{feed.clean.rstrip('/')}/{name}")
            except Exception as error:  # noqa: BLE001 - a dataset that is away must not hide the others
                failures.append(error)
                continue
            if newest is not None:
                versions.append(((name,), float(newest[0])))
                shares.append(((name,), newest[1]))
        yield _gauge("telltale_dataset_version", "Number of the newest version.", versions, "dataset")
        yield _gauge("telltale_share_held_back", "Share of the newest version's rows held back.", shares, "dataset")
        if failures:
            raise failures[0]

    def _names(self, feed: Feed) -> list[str]:
        """Return the datasets of the table; without one those that lie in the clean area, listed within the hour."""
        if feed.datasets is not None:
            return sorted(feed.datasets)
        now_s = time.monotonic()
        if self.names is None or now_s - self.names[0] > WINDOW.total_seconds():
            self.names = now_s, published_below(feed.clean)
        return self.names[1]


def _newest(url: str) -> tuple[int, float] | None:
    """Return number and share held back of a dataset's newest version; None where it has none yet."""
    store = open_store(url)
    if not (existing := numbers(store)):
        return None
    counts = publish.read_version(store, existing[-1]).counts
    held = counts["quarantined"] + counts["review"]
    judged = counts["published"] + held
    return existing[-1], held / judged if judged else 0.0


def _gauge(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family


def _drops(client: SyncPrefectClient) -> Iterator[Metric]:
    """Complete drops without a run: those with one that waits are counted by state, and by queue."""
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


def recent_runs(client: SyncPrefectClient, *flows: str, live: Iterable[str] = LIVE) -> list[FlowRun]:
    """Return the runs that ended within the last hour, and those in a ``live`` state; of these flows, else of all."""
    ended = {"end_time": {"after_": datetime.now(UTC) - WINDOW}}
    alive = {"state": {"type": {"any_": list(live)}}}
    return list({run.id: run for wanted in (ended, alive) for run in _read_runs(client, wanted, *flows)}.values())


def _read_runs(client: SyncPrefectClient, wanted: dict[str, Any], *flows: str) -> Iterator[FlowRun]:
    filters: dict[str, Any] = {"flow_run_filter": FlowRunFilter.model_validate(wanted), "sort": FlowRunSort.ID_DESC}
    if flows:
        filters["flow_filter"] = FlowFilter(name=FlowFilterName(any_=list(flows)))
    return _paged(lambda **page: client.read_flow_runs(**filters, **page))


def _paged(read: Callable[..., list[Run]]) -> Iterator[Run]:
    """Yield all that ``read`` returns page by page, in an order that stays."""
    offset = 0
    while page := read(limit=PAGE, offset=offset):
        yield from page
        offset += len(page)
        if len(page) < PAGE:
            break


def _queues(client: SyncPrefectClient) -> Iterator[Metric]:
    """How long the first run of each queue has waited beyond its time: for a worker, or for its turn."""
    now, longest = datetime.now(UTC), dict[tuple[str, ...], float]()
    due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now}}
    for run in _read_runs(client, due):
        if run.work_queue_name and run.expected_start_time:
            place = (run.work_pool_name or "", run.work_queue_name)
            longest[place] = max(longest.get(place, 0.0), (now - run.expected_start_time).total_seconds())
    text = "How long the first run of a queue has waited for its turn."
    yield _gauge("telltale_queue_wait_seconds", text, longest.items(), "pool", "queue")


def _stages(client: SyncPrefectClient) -> Iterator[Metric]:
    """How long stages took that were computed within the last hour."""
    done = {"end_time": {"after_": datetime.now(UTC) - WINDOW}, "state": {"name": {"any_": ["Completed"]}}}
    wanted, order = TaskRunFilter.model_validate(done), TaskRunSort.ID_DESC
    tasks = list(_paged(lambda **page: client.read_task_runs(task_run_filter=wanted, sort=order, **page)))
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
