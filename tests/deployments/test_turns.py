"""Whose turn it is: the queues of datasets, where a drop's run goes, and what a real server hands to workers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.turns import Turn, queues, turns_of
from flows import gpu_turns, names
from flows.reconcile import reconcile
from flows.settings import dataset_turns, standing_settings
from flows.start_run import Feed
from tasks import train_elsewhere
from telltale_core.errors import ConfigError
from telltale_core.inbox import Arrival

TABLE = """
[datasets.signs]
inbox = ["team-a/signs"]
priority = 1
[datasets.cars]
inbox = ["team-a/cars"]
runs = 5
[datasets.cars.proxy]
epochs = 3
[datasets.apples]
inbox = ["team-b"]
"""


def test_the_file_says_whose_turn_it_is_and_no_run_sees_it(tmp_path: Path) -> None:
    file = tmp_path / "telltale.toml"
    file.write_text(TABLE)
    turns = turns_of(dataset_turns(file, []))
    assert turns == {"signs": Turn(priority=1), "cars": Turn(runs=5), "apples": Turn()}
    assert queues(turns, gpus=2) == {
        "watch": (1, None),
        "default": (2, None),
        "dataset-signs": (3, 3),
        "dataset-apples": (4, 3),
        "dataset-cars": (5, 5),
    }
    assert standing_settings(file, []) == {"datasets": {"cars": {"proxy": {"epochs": 3}}}}


@pytest.mark.parametrize("table", [{"priority": 0}, {"runs": 0}, {"priority": "high"}])
def test_what_is_no_turn_is_refused_with_its_path(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"datasets\.signs\.(priority|runs)"):
        turns_of({"signs": table})


def test_a_drop_waits_in_the_queue_of_its_dataset(tmp_path: Path) -> None:
    def queue(datasets: dict[str, list[str]] | None) -> str:
        feed = Feed(inbox=f"{tmp_path}/in", clean=f"{tmp_path}/clean", quiet_s=60.0, datasets=datasets)
        known: dict[str, Any] = {
            "digest": "0" * 64,
            "files": 1,
            "bytes": 1,
            "newest_s": 0.0,
            "complete": True,
            "why": "",
        }
        return feed.queue(Arrival(dataset="signs", folder="signs", name="monday", url="s3://in/signs/monday", **known))

    assert (queue({"signs": ["signs"]}), queue(None)) == ("dataset-signs", "default")


@pytest.mark.parametrize(
    ("rows", "epochs", "queue"), [(1_000, 30, None), (400_000, None, "large"), (10_000_000, 1, "large")]
)
def test_a_large_training_lets_smaller_ones_go_first(
    rows: int, epochs: int | None, queue: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = type("Rows", (), {"modality": "image", "__len__": lambda _: rows})()
    monkeypatch.setattr(train_elsewhere.stages, "open_drop", lambda *_: drop)
    assert train_elsewhere.queue_for({}, "work", {"epochs": epochs}) == queue


@pytest.mark.parametrize(
    ("small", "large", "first"),
    [
        (None, None, "default"),
        (None, 10.0, "default"),
        (600.0, 3599.0, "default"),
        (600.0, 3600.0, "large"),
        (4000.0, 3700.0, "default"),
        (3700.0, 4000.0, "large"),
    ],
)
def test_after_an_hour_the_training_goes_first_that_came_first(
    small: float | None, large: float | None, first: str
) -> None:
    waited = {name: value for name, value in (("default", small), ("large", large)) if value is not None}
    assert min(gpu_turns.ranks(waited).items(), key=lambda one: one[1])[0] == first


@pytest.mark.parametrize(("gpus", "places"), [(1, None), (2, 1), (4, 3)])
def test_of_several_gpus_large_trainings_leave_one_for_small_ones(gpus: int, places: int | None) -> None:
    assert gpu_turns.places(gpus) == {"default": (1, None), "large": (2, places)}


@pytest.mark.server
def test_two_large_trainings_do_not_hold_both_gpus_on_a_real_server(prefect_server: str) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.types._datetime import now

    from deployments.register import _queue

    @flow(name="large-trainings")
    def large_trainings() -> None: ...

    def due(client: Any) -> list[str | None]:
        scheduled = client.get_scheduled_flow_runs_for_work_pool("two-gpus", scheduled_before=now("UTC"))
        return [one.flow_run.name for one in scheduled]

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="two-gpus", type="process", concurrency_limit=2))
        for queue, place in gpu_turns.places(2).items():
            _queue(client, "two-gpus", queue, *place)
        flow_id = client.create_flow(large_trainings)
        deployment = client.create_deployment(flow_id, "large-trainings", work_pool_name="two-gpus")
        for name in ("large-1", "large-2"):
            client.create_flow_run_from_deployment(deployment, name=name, work_queue_name="large")
        assert len(due(client)) == 1
        client.create_flow_run_from_deployment(deployment, name="small", work_queue_name="default")
        assert due(client)[0] == "small"
        assert len(due(client)) == 2
        client.delete_work_pool("two-gpus")


@pytest.mark.parametrize("long_s", [60, 3000])
def test_no_training_waits_for_ever_whatever_comes_after_it(long_s: int) -> None:
    """One GPU that cannot keep up: a small one comes as often as one ends, and a large one every two hours."""
    came = sorted([*((at, "default", long_s) for at in range(0, 90_000, long_s)),
                   *((at, "large", 4 * long_s) for at in range(30, 90_000, 7200))])  # fmt: skip
    waits: dict[str, list[tuple[int, int]]] = {"default": [], "large": []}
    free, order, started = 0, ["default", "large"], list[tuple[str, int, int]]()
    for now in range(0, 90_000, 30):
        while came and came[0][0] <= now:
            at, queue, takes = came.pop(0)
            waits[queue].append((at, takes))
        if now % 300 == 0:  # reconcile
            ranked = gpu_turns.ranks({queue: float(now - ones[0][0]) for queue, ones in waits.items() if ones})
            order = sorted(ranked, key=lambda queue: ranked[queue])
        if now >= free and (queue := next((queue for queue in order if waits[queue]), None)):
            at, takes = waits[queue].pop(0)
            free = now + takes
            started.append((queue, at, now))
    assert sum(queue == "large" for queue, _, _ in started) >= 3
    started += [(queue, at, 10**9) for queue, ones in waits.items() for at, _ in ones]  # these wait still
    for queue, at, now in started:  # an hour, reconcile's 5 minutes and the training that runs: then none passes it
        due = at + gpu_turns.PATIENCE_S + 300 + 4 * long_s
        assert not [one for one in started if at < one[1] and due < one[2] < now], (queue, at, now)


@pytest.mark.server
def test_a_large_training_that_waited_long_is_handed_out_first_by_a_real_server(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.states import Scheduled
    from prefect.types._datetime import now

    from deployments.register import _queue

    @flow(name="trainings")
    def trainings() -> None: ...

    monkeypatch.setattr(names, "GPU_POOL", "gpu-turns")
    monkeypatch.setattr(names, "TRAIN", "trainings/trainings")
    monkeypatch.setattr(names, "DEPLOYMENTS", ("trainings/trainings",))

    def handed_out(client: Any) -> list[str | None]:
        due = client.get_scheduled_flow_runs_for_work_pool("gpu-turns", scheduled_before=now("UTC"))
        return [one.flow_run.name for one in due]

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpu-turns", type="process"))
        gpu_turns.take_turns(client, [])  # nothing is registered yet
        for queue, place in gpu_turns.places(1).items():
            _queue(client, "gpu-turns", queue, *place)
        deployment = client.create_deployment(client.create_flow(trainings), "trainings", work_pool_name="gpu-turns")
        hours_ago = now("UTC") - timedelta(hours=2)
        for name, queue in (("large", "large"), ("small", "default")):
            since = Scheduled(scheduled_time=hours_ago if name == "large" else now("UTC"))
            client.create_flow_run_from_deployment(deployment, name=name, work_queue_name=queue, state=since)
        assert handed_out(client) == ["small", "large"]
        reconcile()
        assert handed_out(client) == ["large", "small"]
        client.delete_work_pool("gpu-turns")


@pytest.mark.server
def test_many_drops_of_one_dataset_do_not_hold_the_only_one_of_another(prefect_server: str) -> None:
    """A worker with four places asks a real server, which was given many drops of ``signs`` before one of ``cars``."""
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.types._datetime import now

    from deployments.register import _queue

    @flow(name="turns")
    def turns() -> None: ...

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="turns", type="process"))
        for name, place in queues({"signs": Turn(), "cars": Turn(), "late": Turn(priority=1)}, gpus=1).items():
            _queue(client, "turns", name, *place)
        deployment = client.create_deployment(client.create_flow(turns), "turns", work_pool_name="turns")
        for dataset in ["signs"] * 5 + ["cars", "late"]:
            client.create_flow_run_from_deployment(
                deployment, name=dataset, work_queue_name=f"dataset-{dataset}", tags=[dataset]
            )
        due = client.get_scheduled_flow_runs_for_work_pool("turns", scheduled_before=now("UTC"))
        client.delete_work_pool("turns")
    assert [one.flow_run.name for one in due] == ["late", "cars", "signs", "signs"]
