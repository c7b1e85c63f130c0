"""Whose turn it is: the queues of datasets, where a drop's run goes, and what a real server hands to workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployments.turns import Turn, queues, turns_of
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
