"""Uploads start runs: an ordinary S3 client puts a drop, and without another command its cleansed version appears."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from telltale_core import publish
from tests.support.drops import of_each_kind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="several drops, minutes each: E2E_WHOLE=1 runs them"),
]


def test_the_event_delivered_again_and_a_sweep_start_nothing_more(running: Any, inbox: Any, signs: Any) -> None:
    for key in ("_SUCCESS", "_SUCCESS", "train.parquet"):  # three times in all, out of order, and late
        inbox.announce(f"signs/first/{key}")
    wait_until_empty(inbox)
    sweep(running)
    assert len(running.runs_of("signs/first")) == 1
    assert inbox.sources("signs").count("s3://raw/inbox/signs/first") == 1


def test_a_drop_whose_event_was_lost_is_found_by_the_sweep_once_it_is_complete(running: Any, inbox: Any) -> None:
    with inbox.silent():
        inbox.put("signs/lost", mark=False)
        sweep(running)
        assert running.runs_of("signs/lost") == []
        inbox.mark("signs/lost")
    sweep(running)
    inbox.version("signs", source="lost")
    [run] = running.runs_of("signs/lost")
    assert "started-by:sweep" in run["tags"]


def test_two_workers_given_the_same_content_at_once_train_once(running: Any, inbox: Any) -> None:
    before = len(running.runs("train-proxy"))
    for dataset in ("left", "right"):
        inbox.put(f"{dataset}/same", ids="same-content")
    digests = {inbox.version(dataset).manifest["drop"]["digest"] for dataset in ("left", "right")}
    assert len(digests) == 1
    assert len(running.runs("train-proxy")) == before + 1


def test_another_system_can_announce_a_drop_by_an_event(running: Any, inbox: Any) -> None:
    with inbox.silent():
        inbox.put("signs/announced", ids="signs-first")
    event = {
        "event": "telltale.drop.landed",
        "resource": {"prefect.resource.id": "telltale.drop.signs.announced"},
        "payload": {"dataset": "signs", "name": "announced"},
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
    }
    running.ask("/events", [event])
    [run] = running.wait_for("a run", lambda: running.runs_of("signs/announced"), 300)
    assert running.ended(run["id"])["state_name"] == "Completed"


@pytest.fixture(scope="module")
def crowd(running: Any, drops_at_once: int) -> list[str]:
    """The names of drops that were uploaded within a minute, each of which is a version of the dataset ``crowd``."""
    names = [f"many-{number:02d}" for number in range(drops_at_once)]
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: running.inbox.put(f"crowd/{name}"), names))
    uploaded_s = time.monotonic() - began
    assert uploaded_s < 60
    for name in names:
        running.inbox.version("crowd", source=name, limit_s=1200 + 120 * drops_at_once)
    running.note(case="crowd", uploaded_s=uploaded_s, drops=len(names))
    return names


def test_drops_at_once_on_one_gpu_slot_train_one_after_another_and_publish_once_each(
    running: Any, inbox: Any, crowd: list[str]
) -> None:
    assert sorted(source.rsplit("/", 1)[-1] for source in inbox.sources("crowd")) == crowd
    assert [len(running.runs_of(f"crowd/{name}")) for name in crowd] == [1] * len(crowd)
    for version in publish.log("s3://clean/sets/crowd"):
        assert sum(version.counts.values()) == 2 * version.counts["ingested"] == 1200
    spans = sorted((run["start_time"], run["end_time"]) for run in running.runs("train-proxy") if run["end_time"])
    assert all(one[1] <= next_one[0] for one, next_one in itertools.pairwise(spans)), spans


def test_the_page_of_a_dataset_has_all_its_versions_and_runs(running: Any, crowd: list[str], ui: Any) -> None:
    for name in crowd:
        running.ended(running.runs_of(f"crowd/{name}")[0]["id"])
    wanted = {"artifacts": {"key": {"like_": "history-crowd-%"}}, "sort": "CREATED_DESC"}
    artifact = running.ask("/artifacts/filter", wanted)[0]
    page = ui.open(f"{ui.base}/artifacts/artifact/{artifact['id']}", f"{len(crowd)} drops, {len(crowd)} versions")
    assert [name for name in crowd if f"cleanse crowd/{name}" not in page] == []
    ui.picture(ui.folder / "history.png", height=1100)


def test_a_drop_of_each_kind_at_once_becomes_a_version_of_its_dataset(running: Any, inbox: Any) -> None:
    drops = of_each_kind()
    for kind, files in drops.items():
        inbox.put_files(f"{kind}/first", files)
    inbox.put("image/first")
    sizes = {kind: inbox.version(kind).counts["ingested"] for kind in (*drops, "image")}
    assert sizes == {"audio": 120, "text": 300, "table": 300, "image": 600}
    for kind, rows in sizes.items():
        assert len(publish.log(f"s3://clean/sets/{kind}")) == 1
        assert publish.verify(f"s3://clean/sets/{kind}").ok
        [run] = running.runs_of(f"{kind}/first")
        logs = running.ask("/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200})
        said = f"drop: {rows} rows = {rows} read + 0 rejected; {kind}, classification"
        assert said in [line["message"] for line in logs]


def sweep(running: Any) -> None:
    """Sweep now; beside a scheduled sweep, which is the only one then, try again."""
    done = running.run_deployment("sweep/sweep")
    while done["state_type"] == "CANCELLED":
        done = running.run_deployment("sweep/sweep")
    assert done["state_name"] == "Completed", done["state"]


def wait_until_empty(inbox: Any) -> None:
    inbox.running.wait_for("the queue is empty", inbox.empty, 120)
