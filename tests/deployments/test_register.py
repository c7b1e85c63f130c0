"""Registration on a real server: what an operator set stands until a later registration says otherwise."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.plan import Plan
from deployments.register import register, standing_folders
from deployments.turns import Turn
from flows import names
from flows.cli import app
from flows.start_run import Feed, read_feed
from telltale_core.errors import ConfigError

CONFIG = {"proxy": {"epochs": 20, "model": "auto"}, "verdict": {"review_share": 0.05}}


@pytest.fixture
def client(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    with get_client(sync_client=True) as prefect_client:
        yield prefect_client
        for pool in (names.CPU_POOL, names.GPU_POOL):
            prefect_client.delete_work_pool(pool)
        for name in names.DEPLOYMENTS:
            prefect_client.delete_deployment(prefect_client.read_deployment_by_name(name).id)


def test_what_an_operator_set_stands_until_a_registration_says_otherwise(client: Any, tmp_path: Path) -> None:
    from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolUpdate

    table = {"signs": ["team-a/signs", "team-b"]}
    feed = Feed(inbox=f"{tmp_path}/inbox", clean=f"{tmp_path}/clean", quiet_s=60.0, datasets=table)
    where: dict[str, Any] = {"feed": feed, "work": f"{tmp_path}/work", "results": f"{tmp_path}/results"}

    def stands() -> tuple[Any, Any]:
        return client.read_work_pool(names.CPU_POOL).concurrency_limit, parameters(names.CLEANSE)["config"]

    def parameters(name: str) -> dict[str, Any]:
        return dict(client.read_deployment_by_name(name).parameters)

    summary = dict(register(Plan(**where)))
    assert stands() == (None, {})
    assert summary["work pool"] == "gpu (process, 1 at a time)"
    assert parameters(names.SWEEP) == {"inbox": feed.inbox, "clean": feed.clean, "quiet_s": 60.0, "datasets": table}
    assert (standing_folders(), read_feed(client)) == (table, feed)
    assert parameters(names.RECONCILE) == {"pending_s": 600.0}

    client.update_work_pool(names.CPU_POOL, WorkPoolUpdate(concurrency_limit=7))  # as the UI does
    cleanse = client.read_deployment_by_name(names.CLEANSE)
    changed = {**cleanse.parameters, "config": CONFIG}
    client.update_deployment(cleanse.id, DeploymentUpdate(parameters=changed))
    done = register(Plan(**where))
    assert stands() == (7, CONFIG)
    assert parameters(names.CLEANSE) == changed
    assert ("work pool", "cpu (process, 7 at a time)") in done

    register(Plan(**{**where, "feed": replace(feed, datasets=None)}, cpu_runs=3, config={}))
    assert stands() == (3, {})
    assert (parameters(names.SWEEP)["datasets"], standing_folders()) == (None, None)

    earlier = {**changed, "config": {"proxy": {"epoch": 2}}}  # of a release that had this setting
    client.update_deployment(cleanse.id, DeploymentUpdate(enforce_parameter_schema=False))
    client.update_deployment(cleanse.id, DeploymentUpdate(parameters=earlier))
    with pytest.raises(ConfigError, match="standing defaults of cleanse/cleanse"):
        register(Plan(**where))


def test_each_automation_stands_once_however_often_and_by_whichever_release_it_was_registered(
    client: Any, tmp_path: Path
) -> None:
    from prefect.automations import Automation
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import EventTrigger, Posture

    plan = Plan(
        feed=Feed(inbox=f"{tmp_path}/inbox", clean=f"{tmp_path}/clean", quiet_s=60.0, datasets=None),
        work=f"{tmp_path}/work",
        results=f"{tmp_path}/results",
    )
    summary = register(plan)
    reconcile, arrival = (client.read_deployment_by_name(name).id for name in (names.RECONCILE, names.ARRIVAL))
    trigger = EventTrigger(expect={"prefect.flow-run.Crashed"}, posture=Posture.Reactive)
    action = RunDeployment(source="selected", deployment_id=arrival, parameters={}, job_variables=None)
    Automation(name=names.CRASHED_RUNS, trigger=trigger, actions=[action]).create()  # as an earlier release did
    assert register(plan) == summary
    standing = {name: client.read_automations_by_name(name) for name in names.AUTOMATIONS}
    assert [(len(automations), automations[0].enabled) for automations in standing.values()] == [(1, True)] * 3
    started = [standing[name][0].actions[0].deployment_id for name in names.TRIGGERS]
    assert started == [reconcile, arrival]
    assert standing[names.LANDED_DROPS][0].actions[0].parameters == {
        "dataset": "{{ event.payload.dataset }}",
        "name": "{{ event.payload.name }}",
    }


def test_every_deployment_names_a_flow_that_any_worker_finds(client: Any, tmp_path: Path) -> None:
    from prefect.flows import load_flow_from_entrypoint

    places = {"inbox": f"{tmp_path}/inbox", "clean": f"{tmp_path}/clean"}
    feed = Feed(**places, quiet_s=60.0, datasets=None)
    register(Plan(feed=feed, work=f"{tmp_path}/work", results=f"{tmp_path}/results"))
    for name in names.DEPLOYMENTS:
        stands = client.read_deployment_by_name(name)
        flow = load_flow_from_entrypoint(stands.entrypoint, use_placeholder_flow=False)
        assert (f"{flow.name}/{stands.name}", stands.path, stands.pull_steps) == (name, None, [])


@pytest.mark.parametrize(
    ("options", "config"),
    [([], None), (["--set", "proxy.epochs=7"], {"proxy": {"epochs": 7}}), (["--config", "EMPTY"], {})],
    ids=["nothing given", "a setting", "an empty file"],
)
def test_the_form_is_given_defaults_only_where_the_command_line_names_some(
    options: list[str], config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr("deployments.register.register", lambda plan: plans.append(plan) or [])  # type: ignore[func-returns-value]
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    (tmp_path / "EMPTY").touch()
    words = [str(tmp_path / "EMPTY") if word == "EMPTY" else word for word in options]
    places = ["--inbox", "s3://raw/inbox", "--clean", "s3://clean", "--work", "s3://work/area"]
    done = CliRunner().invoke(app, ["deploy", *places, "--any-dataset", *words])
    assert done.exit_code == 0, re.sub(r"\s+", " ", done.output)
    assert [(plan.config, plan.cpu_runs) for plan in plans] == [(config, None)]


PLACES = ["--inbox", "s3://raw/inbox", "--clean", "s3://clean", "--work", "s3://work/area"]
TABLE = '[drop]\nimage_size = 32\n[datasets.signs]\ninbox = ["team-a/signs"]\n[datasets.signs.drop]\nimage_size = 8\n'


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, list[Plan]]]:
    """Run the command with a settings file of this text, up to the registration; on the server stands what is said."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")

    def run(text: str | None, *words: str, stands: Any = None) -> tuple[int, str, list[Plan]]:
        plans: list[Plan] = []
        server = SimpleNamespace(read_deployment_by_name=lambda _name: SimpleNamespace(parameters=stands or {}))
        monkeypatch.setattr("deployments.register.register", lambda plan: plans.append(plan) or [])  # type: ignore[func-returns-value]
        monkeypatch.setattr("deployments.register.get_client", lambda **_: contextlib.nullcontext(server))
        (tmp_path / "telltale.toml").write_text(text or "")
        options = [] if text is None else ["--config", str(tmp_path / "telltale.toml")]
        done = CliRunner().invoke(app, ["deploy", *PLACES, *options, *words])
        return done.exit_code, re.sub(r"\s+", " ", done.output), plans

    return run


def test_a_deployment_takes_the_table_of_folders_from_the_file_and_no_run_gets_it(deploy: Any) -> None:
    code, output, [plan] = deploy(TABLE)
    assert code == 0, output
    assert plan.feed.datasets == {"signs": ["team-a/signs"]}
    assert plan.config == {"drop": {"image_size": 32}, "datasets": {"signs": {"drop": {"image_size": 8}}}}


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (None, [], "no table says which folder"),
        ("", [], "does not say which folders of the inbox"),
        ("[datasets.signs.drop]\nimage_size = 8\n", [], "--any-dataset"),
        (TABLE, ["--any-dataset"], "leave it out"),
        (TABLE, ["--set", 'datasets.cars.inbox=["team-a"]'], "give each a folder of its own"),
    ],
)
def test_a_deployment_without_a_clear_table_is_refused_with_the_cure(
    deploy: Any, text: str | None, words: list[str], message: str
) -> None:
    code, said, plans = deploy(text, *words)
    assert (code, plans, message in said) == (2, [], True), said


def test_an_address_to_be_told_at_is_taken_by_the_same_command_and_is_not_shown(
    deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registrations: list[tuple[str, str, float]] = []

    def register(url: str, block: str, review: timedelta) -> list[str]:
        registrations.append((url, block, review.days))
        return ["telltale: tell about failed runs"]

    monkeypatch.setattr("deployments.notifications.register", register)
    assert deploy(TABLE)[0] == 0
    assert registrations == []  # what stands is left as it is
    code, shown, _ = deploy(TABLE, "--notify-url", "https://hooks.example/canary-secret")
    assert (code, registrations) == (0, [("https://hooks.example/canary-secret", "", 7)]), shown
    assert "canary" not in shown
    assert "tell about failed runs" in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{TABLE}[datasets.cars]\npriority = 1\nruns = 2\n", []),
        (TABLE, ["--set", "datasets.cars.runs=2"]),
        ("[datasets.signs]\npriority = 1\n", ["--any-dataset"]),
        (None, ["--set", "datasets.signs.priority=1"]),
    ],
)
def test_a_turn_of_a_dataset_that_no_folder_feeds_is_refused_with_the_cure(
    deploy: Any, text: str | None, words: list[str]
) -> None:
    code, said, plans = deploy(text, *words, stands={"datasets": {"signs": ["team-a/signs"]}})
    assert (code, plans, "add inbox, as in" in said) == (2, [], True), said


def test_turns_hold_wherever_they_are_given_and_settings_without_a_folder_are_told(deploy: Any) -> None:
    options = ["--set", 'datasets.signs.inbox=["signs"]', "--set", "datasets.signs.priority=3"]
    code, output, [plan] = deploy(None, *options)
    assert (code, plan.turns) == (0, {"signs": Turn(priority=3)}), output
    assert "no folder" not in output
    output = deploy(f"{TABLE}[datasets.sings.drop]\nimage_size = 8\n")[1]
    assert "no folder of the inbox feeds sings" in output


@pytest.mark.parametrize("stands", [{"signs": ["team-a/signs"]}, None])
def test_the_table_that_stands_is_kept_where_no_file_is_given(deploy: Any, stands: Any) -> None:
    code, output, [plan] = deploy(None, "--set", "proxy.epochs=3", stands={"datasets": stands})
    assert (code, plan.feed.datasets) == (0, stands), output


def test_any_dataset_is_taken_where_the_operator_says_so(deploy: Any) -> None:
    code, output, [plan] = deploy("", "--any-dataset", stands={"datasets": {"signs": ["team-a/signs"]}})
    assert (code, plan.feed.datasets) == (0, None), output
