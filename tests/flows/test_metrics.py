"""What `telltale metrics` exports, of a real server: what waits, runs, processes, times of stages, shares."""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from flows import alive, metrics
from flows.start_run import Feed
from telltale_core.errors import Transient


@pytest.fixture
def scrape(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], dict[Any, float]]]:
    """Serve the numbers as the command does, and read them as Prometheus does."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    feed = Feed(inbox=f"{tmp_path}/inbox", clean=str(tmp_path), quiet_s=900.0, datasets={"out": ["a"], "later": ["b"]})
    monkeypatch.setattr(metrics, "read_feed", lambda _client: feed)
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpu", type="process", concurrency_limit=2))
        alive.tell(client, alive.this_process("bridge"))
    registry = CollectorRegistry()
    registry.register(metrics.Telltale())
    server, thread = start_http_server(0, "127.0.0.1", registry)

    def read() -> dict[Any, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=60) as reply:
            text = reply.read().decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    yield read
    server.shutdown()
    thread.join()
    server.server_close()
    with get_client(sync_client=True) as client:
        client.delete_work_pool("gpu")


def test_an_operators_numbers_are_exported(
    scrape: Callable[[], dict[Any, float]],
    run_cleanse: Callable[..., Any],
    small_settings: dict[str, Any],
    tmp_path: Path,
) -> None:
    assert run_cleanse(small_settings).name == "Completed"
    (tmp_path / "inbox" / "a" / "monday").mkdir(parents=True)
    for name in ("a.parquet", "_SUCCESS"):
        (tmp_path / "inbox" / "a" / "monday" / name).write_text("x")
    deadline = time.monotonic() + 60
    while (
        not (numbers := scrape()).get(("telltale_processes", "bridge"))
        or ("telltale_stage_seconds", "publish") not in numbers
    ):
        assert time.monotonic() < deadline, numbers
        time.sleep(0.5)
    assert numbers["telltale_up",] == 1
    assert numbers["telltale_drops_waiting", "out"] == 1
    assert 0 <= numbers["telltale_oldest_drop_seconds",] < 300
    assert (numbers["telltale_gpus",], numbers["telltale_gpus_busy",]) == (2, 0)
    assert numbers["telltale_share_held_back", "out"] == pytest.approx(100 / 600)
    assert numbers["telltale_dataset_version", "out"] == 1
    assert ("telltale_dataset_version", "later") not in numbers
    assert numbers["telltale_stage_seconds", "publish"] > 0
    assert numbers["telltale_runs", "cleanse", "Completed"] >= 1
    assert numbers["telltale_store_errors", "Transient"] == 0


def test_a_number_that_is_away_hides_no_other(
    scrape: Callable[[], dict[Any, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_client: Any) -> Any:
        raise ConnectionError

    monkeypatch.setattr(metrics, "read_feed", refuse)
    numbers = scrape()
    assert numbers["telltale_up",] == 0
    assert numbers["telltale_gpus",] == 2


def test_the_text_is_of_the_kind_that_prometheus_reads(scrape: Callable[[], dict[Any, float]]) -> None:
    registry = CollectorRegistry()
    registry.register(metrics.Telltale())
    assert b"# HELP telltale_up " in generate_latest(registry)


def test_the_time_of_gpus_is_counted_once_by_dataset_and_never_falls() -> None:
    began = datetime(2026, 11, 29, 12, tzinfo=UTC)
    counter = metrics.GpuSeconds(since=began)

    def run(number: int, dataset: str, start_s: float, end_s: float | None) -> Any:
        end = None if end_s is None else began + timedelta(seconds=end_s)
        start = began + timedelta(seconds=start_s)
        return SimpleNamespace(id=number, tags=["train:ab", f"dataset:{dataset}"], start_time=start, end_time=end)

    def gpu_seconds(at_s: float, *runs: Any) -> dict[str, float]:
        return counter.of(runs, began + timedelta(seconds=at_s))

    assert gpu_seconds(60, run(1, "signs", -100, None), run(2, "cars", 0, 30), run(3, "cars", -90, -60)) == {
        "signs": 60.0,
        "cars": 30.0,
    }
    assert gpu_seconds(120, run(1, "signs", -100, 119), run(2, "cars", 0, 30))["signs"] == 119.0
    assert gpu_seconds(180, run(1, "signs", -100, 119), run(2, "cars", 0, 30), run(4, "cars", 150, None)) == {
        "signs": 119.0,
        "cars": 60.0,
    }
    assert gpu_seconds(182, run(4, "cars", 150, 178))["cars"] == 60.0  # the server's clock is two seconds behind
    assert gpu_seconds(90_000) == {"signs": 119.0, "cars": 60.0}  # the server has forgotten them
    assert counter.counted == {}


NOW = datetime.now(UTC)


def a_run(number: int, state: str, began_min: float, ended_min: float | None = None, **more: Any) -> Any:
    def ago(minutes: float | None) -> datetime | None:
        return None if minutes is None else datetime.now(UTC) - timedelta(minutes=minutes)

    kind = "FAILED" if state == "GaveUp" else state.upper()
    times = {"start_time": ago(began_min), "end_time": ago(ended_min), "expected_start_time": ago(began_min)}
    return SimpleNamespace(id=number, state_name=state, kind=kind, **times, **more)


class FakeServer:
    """Answers with those of its runs that a filter lets through, a page at a time."""

    def __init__(self, *runs: Any) -> None:
        self.runs = runs

    def read_flow_runs(
        self, *, flow_run_filter: Any, limit: int, offset: int, sort: Any, flow_filter: Any = None
    ) -> list[Any]:
        def passes(run: Any) -> bool:
            for name in ("start_time", "end_time", "expected_start_time"):
                if bounds := getattr(flow_run_filter, name):
                    at = getattr(run, name)
                    if at is None or (bounds.after_ and at < bounds.after_) or (bounds.before_ and at > bounds.before_):
                        return False
            kinds = flow_run_filter.state
            return kinds is None or run.kind in {kind.value for kind in kinds.type.any_}

        return [run for run in self.runs if passes(run)][offset : offset + limit]


def test_a_run_that_began_long_ago_and_fails_now_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "PAGE", 2)
    runs = [
        a_run(1, "Failed", 300, 1),
        a_run(2, "GaveUp", 61, 5),
        a_run(3, "Completed", 200, 90),
        a_run(4, "Running", 600),
        a_run(5, "Cancelling", 600),
        a_run(6, "Completed", 30, 20),
    ]
    client: Any = FakeServer(*runs)
    assert sorted(run.id for run in metrics.recent_runs(client)) == [1, 2, 4, 5, 6]


def test_the_first_run_of_each_queue_says_how_long_it_waits() -> None:
    place = {"work_pool_name": "cpu"}
    runs = [
        a_run(1, "Scheduled", 30, work_queue_name="dataset-signs", **place),
        a_run(2, "Scheduled", 5, work_queue_name="dataset-signs", **place),
        a_run(3, "Scheduled", -5, work_queue_name="watch", **place),  # its time comes in five minutes
        a_run(4, "Running", 90, work_queue_name="default", **place),
    ]
    client: Any = FakeServer(*runs)
    [family] = metrics._queues(client)
    [sample] = family.samples
    assert sample.labels == {"pool": "cpu", "queue": "dataset-signs"}
    assert sample.value == pytest.approx(1800, abs=60)


@pytest.mark.parametrize("datasets", [{"away": ["a"], "later": ["b"], "out": ["c"]}, None])
def test_a_store_that_is_away_is_no_dataset_without_a_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, datasets: Any
) -> None:
    """One dataset cannot be read, one has no version yet, one has: the numbers of that are there, and the fault is."""
    feed = Feed(inbox=f"{tmp_path}/in", clean=f"{tmp_path}/clean", quiet_s=900.0, datasets=datasets)
    listings: list[str] = []

    def numbers(store: Any) -> range:
        if store.location.url.endswith("away"):
            raise Transient("503 Slow Down")
        return range(1, 4 if store.location.url.endswith("out") else 1)

    def published_below(clean: str) -> list[str]:
        listings.append(clean)
        return ["away", "later", "out"]

    counts = {"published": 90, "quarantined": 7, "review": 3}
    monkeypatch.setattr(metrics, "read_feed", lambda _client: feed)
    monkeypatch.setattr(metrics, "numbers", numbers)
    monkeypatch.setattr(metrics, "published_below", published_below)
    monkeypatch.setattr(metrics.publish, "read_version", lambda _store, _number: SimpleNamespace(counts=counts))
    monkeypatch.setattr(metrics, "get_client", lambda **_: contextlib.nullcontext(object()))
    for name in ("_drops", "_runs", "_queues", "_stages", "_processes"):
        monkeypatch.setattr(metrics, name, lambda _client: iter(()))
    collector = metrics.Telltale()
    monkeypatch.setattr(collector, "_gpus", lambda _client: iter(()))
    for _ in range(2):
        samples = [sample for family in collector.collect() for sample in family.samples]
        shown = {(sample.name, *sample.labels.values()): sample.value for sample in samples}
        assert shown == {
            ("telltale_dataset_version", "out"): 3.0,
            ("telltale_share_held_back", "out"): 0.1,
            ("telltale_up",): 0.0,
        }
    assert len(listings) == (1 if datasets is None else 0)  # a listing of all blobs is not made at each scrape


def test_all_processes_are_heard_of_however_many_there_are() -> None:
    """A server gives fifty events at a time; the next page's address may be one that only the server knows."""
    signs = [{"kind": "worker-cpu", "name": f"host-{number}", "prefect": "3", "telltale": "0"} for number in range(70)]
    events = [SimpleNamespace(payload=sign) for sign in [*signs, {**signs[0], "kind": "bridge"}]]
    asked: list[Any] = []

    def page(number: int) -> Any:
        follows = f"http://inside:4200/api/events/filter/next?page-token=a+{number + 1}=" if number == 0 else None
        return SimpleNamespace(events=events[50 * number : 50 * (number + 1)], next_page=follows)

    def request(method: str, path: str, params: dict[str, str]) -> Any:
        asked.append((method, path, params))
        event = {"event": "telltale.alive", "occurred": NOW.isoformat(), "id": f"00000000-0000-4000-8000-{0:012}"}
        event |= {"resource": {"prefect.resource.id": "x"}, "received": NOW.isoformat()}
        more = [{**event, "payload": one.payload} for one in page(1).events]
        return SimpleNamespace(json=lambda: {"events": more, "total": len(events), "next_page": None})

    client: Any = SimpleNamespace(read_events=lambda _filter, limit: page(0), request=request)
    heard = alive.heard(client)
    assert len(heard) == 71
    assert [sign.kind for sign in heard].count("bridge") == 1
    assert asked == [("GET", "/events/filter/next", {"page-token": "a+1="})]
