"""What Prefect's form shows and takes: the flows' parameters are the settings' own models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from telltale_core.config import to_dict
from telltale_core.publish import read_version
from telltale_core.stages import CleanseConfig, settings_of

FLOWS = ("cleanse", "train-proxy", "sweep", "arrival", "reconcile")
FREE = {"upstream"}
"""Parameters that one flow hands to another, and no person fills in."""
Field = tuple[str, dict[str, Any]]


def schema_of(flow: str) -> dict[str, Any]:
    """The JSON schema that a deployment of the flow has, and the form is made of."""
    from deployments.definitions import definitions
    from deployments.plan import Plan
    from flows.start_run import Feed

    plan = Plan(feed=Feed(inbox="raw", clean="clean", quiet_s=60.0, datasets=None), work="work", results="results")
    [deployment] = [one for one in definitions(plan, {}) if one.flow_name == flow]
    return deployment._parameter_openapi_schema.model_dump_for_openapi()


def fields(table: dict[str, Any], schema: dict[str, Any], above: str = "") -> Iterator[Field]:
    """Each field of a form, the tables among them, with its path."""
    for name, field in table["properties"].items():
        yield f"{above}{name}", field
        if "$ref" in field:
            yield from fields(schema["definitions"][field["$ref"].rsplit("/", 1)[1]], schema, f"{above}{name}.")


def form_of(table: dict[str, Any], schema: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """What the form submits that nobody changed: what the deployment holds, else each field's default."""
    filled = dict(held)
    for name, field in table["properties"].items():
        if "$ref" in field and "anyOf" in field and not held.get(name):
            continue  # a closed table
        if "$ref" in field:
            inner = schema["definitions"][field["$ref"].rsplit("/", 1)[1]]
            filled[name] = form_of(inner, schema, held.get(name, {}))
        elif name not in held and "default" in field:
            filled[name] = field["default"]
    return filled


@pytest.mark.parametrize("flow", FLOWS)
def test_every_field_of_a_form_has_a_label_a_sentence_of_help_and_a_type(flow: str) -> None:
    schema = schema_of(flow)
    form = dict(fields(schema, schema))
    assert [path for path, field in form.items() if not (field.get("title") and field.get("description"))] == []
    free = [path for path, field in form.items() if not {"type", "$ref", "anyOf", "enum"} & set(field)]
    free += [path for path, field in form.items() if field.get("type") == "object" and path.split(".")[-1] not in FREE
             and not isinstance(field.get("additionalProperties"), dict)]  # fmt: skip
    assert free == []


@pytest.mark.parametrize("flow", ["cleanse", "train-proxy"])
def test_a_form_asks_for_no_type_and_is_closed_where_a_stage_has_its_defaults(flow: str) -> None:
    schema = schema_of(flow)
    choices = {path: field for path, field in fields(schema, schema) if "anyOf" in field}
    for path, field in choices.items():
        assert [choice["title"] for choice in field["anyOf"]] == ["Defaults", "Own values"], path
        assert "default" not in field, path  # it would open the table
    stages = {"drop", "drop.limits", "proxy", "spectrum", "verdict", "report", "publish", "scale"}
    assert set(choices) == ({f"config.{stage}" for stage in stages} if flow == "cleanse" else set())


def test_the_labels_of_a_form_are_words_in_the_order_in_which_a_person_needs_them() -> None:
    shown = sorted(schema_of("cleanse")["properties"].values(), key=lambda field: field["position"])
    titles = [field["title"] for field in shown]
    assert titles[:5] == ["Source", "Destination", "Work", "Dry run", "Train on"]
    assert titles[-1] == "Config"
    assert schema_of("sweep")["properties"]["quiet_s"]["title"] == "Quiet seconds"


@pytest.mark.parametrize("name", ["input_columns", "label_columns", "target_columns", "label_names"])
def test_a_list_of_which_a_form_deleted_all_is_not_set(name: str) -> None:
    assert settings_of({"drop": {name: []}}) == CleanseConfig()


def test_the_form_has_a_field_for_every_setting_with_its_default() -> None:
    schema = schema_of("cleanse")
    form = {path: field for path, field in fields(schema, schema) if path.startswith("config.") and "$ref" not in field}

    def leaves(table: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            yield from leaves(value, f"{above}{name}.") if isinstance(value, dict) else [(f"{above}{name}", value)]

    expected = dict(leaves(to_dict(CleanseConfig()), "config."))
    assert set(form) - {"config.datasets"} == set(expected)
    assert {path: form[path].get("default") for path in expected} == expected
    assert schema["required"] == ["source", "destination"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"proxy": {"epohcs": 2}}, "config.proxy.epohcs is not a setting, did you mean epochs? known settings: batch"),
        ({"proxy": {"epochs": 0}}, "config.proxy.epochs must be >= 1, got 0"),
        (
            {"datasets": {"signs": {"drop": {"label_colum": "x"}}}},
            "config.datasets.signs.drop.label_colum is not a set",
        ),
        ({"spectrum": {"start": 0.5, "stop": 0.4}}, "config.spectrum: start must be less than stop, got 0.5 and 0.4"),
        (3, "config must be a table of settings, such as [proxy], got 3"),
    ],
)
def test_a_flow_refuses_wrong_settings_in_the_words_of_the_command_line(config: Any, message: str) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.cleanse import cleanse

    with pytest.raises(ParameterTypeError) as caught:
        cleanse.validate_parameters({"source": "a", "destination": "b", "config": config})
    assert message in str(caught.value)


@pytest.mark.parametrize("config", [None, {}, {"proxy": {"lr": None}, "datasets": {"a": {"drop": {}}}}])
def test_parameters_of_earlier_deployments_are_taken(config: Any) -> None:
    from flows.cleanse import cleanse

    config_parameter = cleanse.validate_parameters({"source": "a", "destination": "b", "config": config})["config"]
    assert settings_of(config_parameter, "s3://clean/a") == CleanseConfig()


@pytest.mark.server
@pytest.mark.trains
def test_a_run_made_with_the_values_of_the_form_has_the_settings_of_deployment_and_dataset(
    prefect_server: str, small_drop: Path, small_work: Path, small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    from flows.cleanse import cleanse

    held = {**small_settings, "datasets": {"signs": {"verdict": {"min_cluster": 12}}}}
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow(cleanse),
            name="form",
            entrypoint="flows.cleanse.cleanse",
            parameters={"work": str(small_work), "config": held},
            parameter_openapi_schema=schema_of("cleanse"),
            enforce_parameter_schema=True,
            pull_steps=[],
        )
        known = client.read_deployment(deployment)
        schema = known.parameter_openapi_schema
        filled = form_of(schema, schema, known.parameters) | {"source": str(small_drop)}
        filled["destination"] = str(tmp_path / "signs")
        make = f"{prefect_server}/deployments/{deployment}/create_flow_run"

        def submit(**config: Any) -> httpx.Response:
            parameters = {**filled, "config": {**filled["config"], **config}}
            return httpx.post(make, json={"parameters": parameters, "state": {"type": "SCHEDULED"}}, timeout=120)

        refused = submit(proxy={"epohcs": 2})
        assert refused.status_code == 409
        assert "config.proxy" in refused.text
        assert "'epohcs' was unexpected" in refused.text
        run = submit()
        assert run.status_code == 201, run.text
        flow_run = client.read_flow_run(run.json()["id"])
        ended: Any = run_flow(cleanse, flow_run=flow_run, return_type="state")  # as the process of a worker does
        client.delete_deployment(deployment)
    assert ended.is_completed(), ended.message
    settings = read_version(str(tmp_path / "signs")).manifest["lineage"]["settings"]
    whole = to_dict(settings_of(held, "signs"))
    assert (settings["verdict"], settings["drop"]) == (whole["verdict"], whole["drop"])
    assert settings["verdict"]["min_cluster"] == 12
