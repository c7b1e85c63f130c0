"""Registration on a real server: what an operator set stands until a later registration says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.register import Plan, register
from flows import names
from flows.cli import app
from flows.starting import Feed
from telltale_core.errors import ConfigError

CONFIG = {"proxy": {"epochs": 20, "model": "auto"}, "verdict": {"review_share": 0.05}}


@pytest.fixture
def client(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    with get_client(sync_client=True) as made:
        yield made
        for pool in (names.CPU_POOL, names.GPU_POOL):
            made.delete_work_pool(pool)
        for name in names.DEPLOYMENTS:
            made.delete_deployment(made.read_deployment_by_name(name).id)


def test_what_an_operator_set_stands_until_a_registration_says_otherwise(client: Any, tmp_path: Path) -> None:
    from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolUpdate

    feed = Feed(inbox=f"{tmp_path}/inbox", clean=f"{tmp_path}/clean", quiet_s=60.0)
    where: dict[str, Any] = {"feed": feed, "work": f"{tmp_path}/work", "results": f"{tmp_path}/results"}

    def stands() -> tuple[Any, Any]:
        return client.read_work_pool(names.CPU_POOL).concurrency_limit, parameters(names.CLEANSE)["config"]

    def parameters(name: str) -> dict[str, Any]:
        return dict(client.read_deployment_by_name(name).parameters)

    told = dict(register(Plan(**where)))
    assert stands() == (None, {})
    assert told["work pool"] == "gpu (process, 1 at a time)"
    assert parameters(names.SWEEP) == {"inbox": feed.inbox, "clean": feed.clean, "quiet_s": 60.0}
    assert parameters(names.RECONCILE) == {"pending_s": 600.0}

    client.update_work_pool(names.CPU_POOL, WorkPoolUpdate(concurrency_limit=7))  # as the UI does
    cleanse = client.read_deployment_by_name(names.CLEANSE)
    changed = {**cleanse.parameters, "config": CONFIG}
    client.update_deployment(cleanse.id, DeploymentUpdate(parameters=changed))
    done = register(Plan(**where))
    assert stands() == (7, CONFIG)
    assert parameters(names.CLEANSE) == changed
    assert ("work pool", "cpu (process, 7 at a time)") in done

    register(Plan(**where, cpu_runs=3, config={}))
    assert stands() == (3, {})

    client.update_deployment(cleanse.id, DeploymentUpdate(parameters={**changed, "config": {"proxy": {"epoch": 2}}}))
    with pytest.raises(ConfigError, match="standing defaults of cleanse/cleanse"):
        register(Plan(**where))


@pytest.mark.parametrize(
    ("given", "config"),
    [([], None), (["--set", "proxy.epochs=7"], {"proxy": {"epochs": 7}}), (["--config", "EMPTY"], {})],
    ids=["nothing given", "a setting", "an empty file"],
)
def test_the_form_is_given_defaults_only_where_the_command_line_names_some(
    given: list[str], config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr("deployments.register.register", lambda plan: plans.append(plan) or [])  # type: ignore[func-returns-value]
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    (tmp_path / "EMPTY").touch()
    words = [str(tmp_path / "EMPTY") if word == "EMPTY" else word for word in given]
    places = ["--inbox", "s3://raw/inbox", "--clean", "s3://clean", "--work", "s3://work/area"]
    done = CliRunner().invoke(app, ["deploy", *places, *words])
    assert done.exit_code == 0, re.sub(r"\s+", " ", done.output)
    assert [(plan.config, plan.cpu_runs) for plan in plans] == [(config, None)]
