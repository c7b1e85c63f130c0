"""What `telltale metrics` exports, of a real server: what waits, runs, processes, times of stages, shares."""

from __future__ import annotations

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
    assert numbers["telltale_share_set_aside", "out"] == pytest.approx(100 / 600)
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
