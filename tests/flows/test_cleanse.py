from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks import keys
from telltale_core import publish
from telltale_core.errors import BadInput, ConfigError
from telltale_core.stages import check_addresses

STAGES = {"ingest", "train", "spectrum", "cluster", "report", "publish"}
Run = Callable[..., Any]
States = Callable[..., dict[str, str]]


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "locks"
    }


def test_a_poisoned_drop_goes_to_a_published_version_without_its_poison(
    run_cleanse: Run, stage_states: States, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    state = run_cleanse(small_settings, work=tmp_path / "work")
    outcome = state.result()
    assert (state.name, outcome["state"], outcome["version"]) == ("Completed", "published", 1)
    assert outcome["counts"] == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    published = [name for url in outcome["files"] for name in pq.read_table(url)["id"].to_pylist()]
    assert not [name for name in published if name.startswith("bad-")]
    assert publish.verify(tmp_path / "out").ok
    assert stage_states(state.state_details.flow_run_id) == dict.fromkeys(STAGES, "Completed")


def test_the_same_run_again_computes_nothing_and_gives_the_same_version(
    run_cleanse: Run, stage_states: States, small_settings: dict[str, Any], tmp_path: Path, small_work: Path
) -> None:
    first = run_cleanse(small_settings).result()
    before = files_of(small_work), files_of(tmp_path / "out")
    again = run_cleanse(small_settings)
    assert again.result() == first
    assert (files_of(small_work), files_of(tmp_path / "out")) == before
    states = stage_states(again.state_details.flow_run_id)
    assert states == {**dict.fromkeys(STAGES, "Cached"), "publish": "Completed"}


def test_a_changed_verdict_setting_retrains_nothing(
    run_cleanse: Run, stage_states: States, small_settings: dict[str, Any]
) -> None:
    first = run_cleanse(small_settings).result()
    second = run_cleanse({**small_settings, "verdict": {"min_cluster": 13}})
    assert second.result()["version"] == first["version"] + 1
    states = stage_states(second.state_details.flow_run_id)
    assert {stage for stage, state in states.items() if state == "Cached"} == {"ingest", "train", "spectrum"}


def test_a_setting_of_the_means_retrains_nothing(
    run_cleanse: Run, stage_states: States, small_settings: dict[str, Any]
) -> None:
    first = run_cleanse(small_settings).result()
    slower = {**small_settings, "proxy": {**small_settings["proxy"], "deadline_s": 3600.0}}
    second = run_cleanse(slower)
    assert second.result()["version"] == first["version"]
    assert stage_states(second.state_details.flow_run_id)["train"] == "Cached"


def test_a_cached_result_whose_folder_is_gone_is_computed_again(
    run_cleanse: Run, stage_states: States, small_settings: dict[str, Any], small_work: Path
) -> None:
    first = run_cleanse(small_settings).result()
    lost = small_work / "spectrum" / first["keys"]["spectrum"]
    for path in lost.iterdir():
        path.unlink()
    again = run_cleanse(small_settings)
    assert again.result()["version"] == first["version"]
    assert (lost / "spectrum.json").is_file()
    states = stage_states(again.state_details.flow_run_id)
    assert (states["spectrum"], states["train"]) == ("Completed", "Cached")


def test_a_verdict_that_asks_for_a_person_publishes_nothing_until_approved(
    run_cleanse: Run, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    careful = {**small_settings, "verdict": {"review_share": 0.1}}
    waiting = run_cleanse(careful)
    assert (waiting.name, waiting.result()["state"]) == ("NeedsReview", "needs-review")
    assert publish.log(tmp_path / "out") == []
    code = waiting.result()["approval"]
    stale = run_cleanse(careful, approve="0" * 16)
    assert (stale.name, stale.result()["approval"]) == ("NeedsReview", code)
    approved = run_cleanse(careful, approve=code)
    assert (approved.name, approved.result()["version"]) == ("Completed", 1)
    assert publish.read_version(tmp_path / "out").manifest["lineage"]["approved"] == code


def test_a_dry_run_writes_nothing_to_the_destination(
    run_cleanse: Run, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    state = run_cleanse(small_settings, dry_run=True)
    assert (state.name, state.result()["version"]) == ("DryRun", 1)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_failing_publication_fails_the_flow(run_cleanse: Run, small_settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "out" / "_versions").mkdir(parents=True)
    (tmp_path / "out" / "_versions" / "00000001.json").write_text("{}")
    state = run_cleanse(small_settings)
    assert state.is_failed()
    with pytest.raises(Exception, match="not a manifest"):
        state.result()


def test_no_secret_of_the_environment_reaches_server_or_results(
    run_cleanse: Run, small_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client

    canary = "canary-7f3a9c51"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canary)
    state = run_cleanse(small_settings)
    state.result()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        artifacts = client.request("POST", "/artifacts/filter", json={}).text
        logs = client.request("POST", "/logs/filter", json={}).text
    assert canary not in f"{run.parameters} {artifacts} {logs}"
    stored = [path for path in Path(os.environ["PREFECT_HOME"]).rglob("*") if path.is_file()]
    assert stored
    assert not [path for path in stored if canary.encode() in path.read_bytes()]


def test_the_run_shows_verdict_counts_picture_and_outcome(
    run_cleanse: Run, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from prefect.client.orchestration import get_client

    state = run_cleanse(small_settings)
    state.result()
    body = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
    with get_client(sync_client=True) as client:
        shown = client.request("POST", "/artifacts/filter", json=body).json()
    ending = keys.artifact("", str(tmp_path / "out"))
    kinds = {artifact["key"].removesuffix(ending) for artifact in shown}
    assert {"verdict", "counts", "groups", "verdict-picture", "outcome", "history"} <= kinds


def test_prefect_keeps_no_result_and_of_a_failure_nothing_that_runs_code_in_its_reader(
    run_cleanse: Run, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from prefect.settings import PREFECT_RESULTS_PERSIST_BY_DEFAULT, temporary_settings

    def stored() -> set[Path]:
        return {path for path in Path(os.environ["PREFECT_HOME"]).glob("storage/*") if path.is_file()}

    before = stored()
    with temporary_settings({PREFECT_RESULTS_PERSIST_BY_DEFAULT: True}):
        run_cleanse(small_settings).result()
    assert stored() == before
    (tmp_path / "out" / "_versions" / "00000001.json").write_text("{}")
    assert run_cleanse(small_settings).is_failed()
    failures = [json.loads(path.read_text()) for path in stored() - before]  # a pickle is no JSON
    assert failures


@pytest.mark.parametrize(
    "addresses",
    [
        ("s3://user:canary@host/drop", "out", "work"),
        ("s3://bucket/drop?signature=canary", "out", "work"),
        ("drop", "s3://user:canary@host/out", "work"),
        ("drop", "out", "s3://user:canary@host/work"),
    ],
)
def test_the_flow_itself_refuses_addresses_with_secrets_before_any_stage_runs(
    prefect_server: str, addresses: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.cleanse import cleanse

    monkeypatch.chdir(tmp_path)
    state = cleanse(*addresses, return_state=True)
    assert state.is_failed()
    with pytest.raises((BadInput, ConfigError)) as error:
        state.result()
    assert "canary" not in f"{error.value} {state.message}"
    assert not list(tmp_path.iterdir())


def test_the_account_of_an_azure_container_is_no_secret() -> None:
    check_addresses("abfss://container@account.dfs.core.windows.net/drop", "s3://clean/signs", "runs")
    check_addresses("file:///data/drop", "out", "memory://work/area")
    with pytest.raises(BadInput, match="url_refused"):
        check_addresses("abfss://container:canary@account.dfs.core.windows.net/drop", "out", "runs")


def test_a_local_model_that_is_not_there_is_refused_before_the_drop_is_read(run_cleanse: Run, tmp_path: Path) -> None:
    settings = {"proxy": {"model": f"hf:{tmp_path / 'nowhere'}"}}
    with pytest.raises(ConfigError, match="Nothing is downloaded"):
        run_cleanse(settings, work=tmp_path / "work").result()
    assert not (tmp_path / "work").exists()
