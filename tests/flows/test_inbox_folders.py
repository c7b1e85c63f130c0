"""Who may write which dataset, on a real server: bridge, sweep and arrival go by the one table of the deployment."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest

from flows import names

TABLE = {"signs": ["team-a/signs", "team-b"], "cars": ["team-a/cars"]}


class Place:
    """An inbox of its own in memory, and the server on which its drops start runs."""

    def __init__(self, client: Any) -> None:
        self.client, self.bucket = client, f"b{uuid4().hex[:8]}"
        self.url = f"memory://{self.bucket}/inbox"

    def put(self, drop: str, file: Path | None = None) -> str:
        """Upload a drop; return the notification of its last object."""
        store = fsspec.filesystem("memory")
        content = b"rows" if file is None else file.read_bytes()
        store.pipe(
            {f"/{self.bucket}/inbox/{drop}/train.parquet": content, f"/{self.bucket}/inbox/{drop}/_SUCCESS": b""}
        )
        s3 = {"bucket": {"name": self.bucket}, "object": {"key": f"inbox/{drop}/_SUCCESS"}}
        return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})

    def runs(self) -> dict[str, str]:
        """Return where each started drop of this inbox is published, by its folder and name."""
        destinations = {}
        for run in self.client.read_flow_runs(limit=200):
            source = str(run.parameters.get("source", ""))
            if source.startswith(f"{self.url}/"):
                destinations[source.removeprefix(f"{self.url}/")] = run.parameters["destination"]
        return destinations

    def named(self) -> dict[str, tuple[str, set[str]]]:
        """Return name and tags of each started run, by its drop."""
        runs = self.client.read_flow_runs(limit=200)
        return {
            str(run.parameters["source"]).removeprefix(f"{self.url}/"): (run.name, set(run.tags))
            for run in runs
            if str(run.parameters.get("source", "")).startswith(f"{self.url}/")
        }

    def refused(self, count: int) -> list[str]:
        """Return the folders of which the server was told that they are not taken, once it stored so many."""
        since = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
        asked = {"filter": {"event": {"name": [names.REFUSED_EVENT]}, "occurred": since}, "limit": 50}
        deadline = time.monotonic() + 60
        while True:
            events = self.client.request("POST", "/events/filter", json=asked).json()["events"]
            mine = [event["payload"]["folder"] for event in events if self.bucket in event["payload"]["folder"]]
            if len(mine) >= count or time.monotonic() > deadline:
                return sorted(mine)
            time.sleep(0.3)


@pytest.fixture
def client(prefect_server: str) -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as prefect_client:
        yield prefect_client


@pytest.fixture
def deployed(client: Any, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Register the deployments that start runs, with a table for an inbox of its own."""
    deployment_ids: list[Any] = []

    def deploy(datasets: Any = TABLE, **cleanse: Any) -> Place:
        place = Place(client)
        feed = {"inbox": place.url, "clean": str(tmp_path / "clean"), "quiet_s": 900.0, "datasets": datasets}
        for name, parameters in ((names.CLEANSE, cleanse), (names.SWEEP, feed)):
            flow, deployment = name.split("/")
            deployment_ids.append(
                client.create_deployment(
                    client.create_flow_from_name(flow),
                    deployment,
                    parameters=parameters,
                    enforce_parameter_schema=False,
                )
            )
        return place

    yield deploy
    for one in set(deployment_ids):
        client.delete_deployment(one)


def refusals(caplog: pytest.LogCaptureFixture) -> int:
    return len([record for record in caplog.records if "an upload is not taken" in record.getMessage()])


def test_the_bridge_starts_what_the_table_names_and_says_once_what_it_does_not(
    deployed: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    from flows.bridge import Bridge

    place, bridge = deployed(), Bridge()
    elsewhere = f"x{place.bucket}"
    for drop in ("team-a/signs/monday", "team-b/monday", "team-a/cars/monday"):
        bridge.take(place.put(drop))
    for drop in (f"{elsewhere}/monday", f"{elsewhere}/tuesday", f"{elsewhere}/signs/monday"):
        bridge.take(place.put(drop))
    assert place.runs() == {
        "team-a/signs/monday": f"{tmp_path}/clean/signs",
        "team-b/monday": f"{tmp_path}/clean/signs",
        "team-a/cars/monday": f"{tmp_path}/clean/cars",
    }
    tags = {"dataset:signs", "drop:monday", "started-by:notification"}
    assert place.named()["team-b/monday"] == ("cleanse signs/monday", tags)
    assert (dict(bridge.counts), refusals(caplog)) == ({"started": 3, "refused": 3}, 1)
    Bridge().take(place.put(f"{elsewhere}/monday"))  # another process says it anew; the server keeps it once
    assert place.refused(1) == [elsewhere]


def test_the_bridge_refuses_a_drop_whose_names_climb_into_anothers_folder(
    deployed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from flows.bridge import Bridge

    place, bridge = deployed(), Bridge()
    notice = place.put("team-b/monday")
    store = fsspec.filesystem("memory").store
    home = f"/{place.bucket}/inbox/team-b/monday"
    store[f"{home}/../../team-a/cars/monday/b.parquet"] = store[f"{home}/train.parquet"]
    for _ in range(2):
        bridge.take(notice)
    assert (dict(bridge.counts), refusals(caplog), place.runs()) == ({"refused": 2}, 1, {})


def test_the_sweep_starts_what_the_table_names_and_refuses_the_rest(deployed: Any, tmp_path: Path, client: Any) -> None:
    from flows.sweep import sweep

    place = deployed()
    for drop in (
        "team-a/signs/monday",
        f"x{place.bucket}/monday",
        f"x{place.bucket}/tuesday",
        f"y{place.bucket}/monday",
    ):
        place.put(drop)
    feed = client.read_deployment_by_name(names.SWEEP).parameters
    counts = {"drops": 3, "incomplete": 0, "old": 0, "started": 1, "refused": 2}
    assert sweep(**feed) == counts
    assert sweep(**feed) == {**counts, "started": 0}
    assert place.runs() == {"team-a/signs/monday": f"{tmp_path}/clean/signs"}
    assert place.refused(2) == [f"x{place.bucket}", f"y{place.bucket}"]
    asked = {"artifacts": {"key": {"any_": ["refused-uploads"]}}, "sort": "CREATED_DESC", "limit": 1}
    [shown] = client.request("POST", "/artifacts/filter", json=asked).json()
    assert "feeds no dataset" in shown["data"]


def test_an_announced_drop_is_looked_for_in_the_folders_of_its_dataset_alone(
    deployed: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    from flows.arrival import arrival

    def announce(dataset: str, name: str) -> tuple[str, str]:
        state = arrival(dataset, name, return_state=True)
        return str(state.name), str(state.message)

    caplog.set_level(logging.WARNING)
    place = deployed()
    for drop in ("team-b/monday", "team-a/cars/tuesday", "birds/monday"):
        place.put(drop)
    assert announce("signs", "monday")[0] == "Started"
    assert announce("signs", "monday")[0] == "Known"
    assert place.runs() == {"team-b/monday": f"{tmp_path}/clean/signs"}
    refused = [announce("birds", "monday"), announce("team-b", "monday"), announce("signs", "../cars/tuesday")]
    assert [name for name, _ in refused] == ["Refused"] * 3
    assert "no folder of the inbox feeds birds" in refused[0][1]
    assert (len(place.runs()), refusals(caplog)) == (1, 3)


def test_without_a_table_a_folder_is_called_as_its_dataset_where_the_operator_said_so(
    deployed: Any, tmp_path: Path
) -> None:
    from flows.arrival import arrival
    from flows.bridge import Bridge

    place = deployed(datasets=None)
    Bridge().take(place.put("signs/monday"))
    place.put("cars/monday")
    assert arrival("cars", "monday", return_state=True).name == "Started"
    assert place.runs() == {"signs/monday": f"{tmp_path}/clean/signs", "cars/monday": f"{tmp_path}/clean/cars"}


def test_a_deployment_of_before_the_table_takes_nothing_and_says_how_to_deploy(client: Any, deployed: Any) -> None:
    from prefect.client.schemas.actions import DeploymentUpdate

    from flows.bridge import Bridge
    from flows.sweep import sweep
    from telltale_core.errors import ConfigError

    place = deployed()
    sweeps = client.read_deployment_by_name(names.SWEEP)
    before = {name: value for name, value in sweeps.parameters.items() if name != "datasets"}
    client.update_deployment(sweeps.id, DeploymentUpdate(parameters=before))
    with pytest.raises(ConfigError, match="has no 'datasets': run telltale deploy"):
        Bridge().take(place.put("signs/monday"))
    with pytest.raises(ConfigError, match="run telltale deploy --config FILE"):
        sweep.fn(**before)
    assert place.runs() == {}


@pytest.mark.parametrize(
    ("datasets", "status", "message"),
    [
        (TABLE, "ok", "folders: 3, datasets: 2"),
        (None, "note", "any folder feeds the dataset of its name"),
        ({}, "problem", "no table says"),
    ],
)
def test_the_doctor_says_whether_a_table_decides_who_may_write_what(
    deployed: Any, client: Any, datasets: Any, status: str, message: str
) -> None:
    from flows.doctor_stack import _fed

    deployed(datasets)
    [check] = _fed(client)
    assert (check.name, check.status, message in check.found) == ("inbox folders", status, True)


def test_a_run_that_the_bridge_starts_has_the_settings_of_its_dataset(
    deployed: Any, client: Any, small_drop: Path, small_work: Path, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    """The same content in two folders: only the settings of ``signs`` name a column that the drop has not."""
    from prefect.flow_engine import run_flow

    from flows.bridge import Bridge
    from flows.cleanse import cleanse

    own = {"signs": {"drop": {"label_column": "kind"}}}
    place, bridge = deployed(work=str(small_work), config={**small_settings, "datasets": own}), Bridge()
    ended = {}
    for folder in ("team-a/signs", "team-a/cars"):
        bridge.take(place.put(f"{folder}/monday", small_drop / "train.parquet"))
        [run] = [
            run for run in client.read_flow_runs() if run.parameters.get("source") == f"{place.url}/{folder}/monday"
        ]
        run_flow(cleanse, flow_run=run, parameters=run.parameters, return_type="state")
        ended[folder] = client.read_flow_run(run.id).state
    assert ended["team-a/signs"].is_failed()
    assert "kind" in ended["team-a/signs"].message
    assert ended["team-a/cars"].is_completed() or ended["team-a/cars"].is_paused(), ended["team-a/cars"]
