"""The whole stack and one uploaded drop: its version, what the UI shows and asks, and what is closed to others."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from flows.names import TRIGGERS
from telltale_core import publish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
CHANGING = {"id", "created", "updated", "anchor_date", "last_polled", "status", "active_slots", "denied_slots"}
whole = pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="several drops, minutes each: E2E_WHOLE=1 runs them")


def test_an_uploaded_drop_becomes_a_version_without_another_command(running: Any, signs: Any) -> None:
    assert signs.manifest["drop"]["source"] == "s3://raw/inbox/signs/first"
    assert signs.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    assert publish.verify("s3://clean/sets/signs").ok
    [run] = running.runs_of("signs/first")
    assert running.ended(run["id"])["state_name"] == "Completed"
    [training] = running.trainings_of("signs/first")
    assert (training["work_pool_name"], run["work_pool_name"]) == ("gpu", "cpu")
    keys = {artifact["key"].partition("-")[0] for artifact in running.ask("/artifacts/filter", {"limit": 200})}
    assert {"verdict", "counts", "outcome"} <= keys


def test_the_ui_shows_the_run_its_stages_and_its_artifacts(running: Any, signs: Any, ui: Any) -> None:
    [run] = running.runs_of("signs/first")
    ui.open(f"{ui.base}/runs", "cleanse signs/first")
    ui.picture(ui.folder / "runs.png", height=1100)
    ui.open(f"{ui.base}/runs/flow-run/{run['id']}", "cleanse signs/first", "Completed", "Finished in state")
    stages = ("ingest", "train", "spectrum", "cluster", "report", "publish")
    ui.open_tab("Task Runs", *(f"{stage} signs/first" for stage in stages))
    ui.picture(ui.folder / "stages.png", height=1250)
    ui.open_tab("Artifacts", "verdict", "outcome")
    ui.picture(ui.folder / "artifacts.png", height=1250)
    for key, said in (("verdict", "Poison found: 100 of 600"), ("outcome", "s3://clean/sets/signs")):
        wanted = {"key": {"like_": f"{key}-signs-%"}, "flow_run_id": {"any_": [run["id"]]}}
        artifact = running.ask("/artifacts/filter", {"artifacts": wanted})[-1]
        ui.open(f"{ui.base}/artifacts/artifact/{artifact['id']}", said)
        ui.picture(ui.folder / f"{key}.png", height=1100)


@whole
def test_the_ui_shows_the_progress_of_a_training(running: Any, inbox: Any, ui: Any) -> None:
    inbox.put("slow/one")
    wanted = {"artifacts": {"key": {"like_": "train-%"}}, "sort": "CREATED_DESC"}
    before = len(running.ask("/artifacts/filter", wanted))
    artifact = running.wait_for(
        "the progress is shown", lambda: (all_ := running.ask("/artifacts/filter", wanted))[before:] and all_[0], 300
    )
    ui.open(f"{ui.base}/artifacts/artifact/{artifact['id']}", "epoch ")
    ui.picture(ui.folder / "progress.png", height=640)
    inbox.version("slow")


def test_the_form_of_the_ui_starts_a_run_with_what_was_typed(running: Any, ui: Any) -> None:
    deployment = running.ask("/deployments/name/cleanse/cleanse", method="GET")
    before = {run["id"] for run in running.runs("cleanse")}
    shown = ui.open(f"{ui.base}/deployments/deployment/{deployment['id']}/run", "Settings by dataset", "Batch size")
    assert shown.index("Source") < shown.index("Destination") < shown.index("Dry run") < shown.index("Config")
    assert "False alarm rate" not in shown  # a stage with its defaults is closed
    ui.fill("s3://raw/nowhere/one", "Source")
    ui.fill("s3://clean/sets/nowhere", "Destination")
    ui.picture(ui.folder / "form.png", height=1100)
    ui.fill("0", "Config", "Proxy", "Epochs")
    ui.click("Submit")
    assert ui.complaint("Config", "Proxy", "Epochs") == "Value must be greater than or equal to 1."
    ui.fill("3", "Config", "Proxy", "Epochs")
    ui.click("Own values", "Config", "Verdict")
    ui.wait("False alarm rate")
    ui.fill("0", "Config", "Verdict", "False alarm rate")
    ui.click("Submit")
    ui.wait("config.verdict.false_alarm_rate", "0 is less than or equal to the minimum of 0")
    ui.fill("0.02", "Config", "Verdict", "False alarm rate")
    ui.click("Own values", "Config", "Drop")
    ui.wait("Kind of data")
    ui.fill("image", "Config", "Drop", "Kind of data")
    ui.click("Add item", "Config", "Drop", "Input columns")
    ui.fill("picture", "Config", "Drop", "Input columns")
    ui.picture(ui.folder / "settings.png", "Config", height=1500)

    def new_runs() -> Any:
        ui.click("Submit")  # after a refusal the first one checks again and starts nothing
        time.sleep(2)
        return [run for run in running.runs("cleanse") if run["id"] not in before]

    [run] = running.wait_for("the form makes a run", new_runs, 60)
    parameters = run["parameters"]
    assert (parameters["source"], parameters["destination"]) == ("s3://raw/nowhere/one", "s3://clean/sets/nowhere")
    assert (parameters["work"], parameters["dry_run"]) == (deployment["parameters"]["work"], False)
    held, config = deployment["parameters"]["config"], parameters["config"]
    assert config["proxy"].items() >= {**held["proxy"], "epochs": 3}.items()
    assert config["report"].items() >= held["report"].items()
    assert config["verdict"]["false_alarm_rate"] == 0.02
    assert (config["drop"]["modality"], config["drop"]["input_columns"]) == ("image", ["picture"])
    assert set(config) == {"drop", "proxy", "verdict", "report", "datasets"}  # the other stages follow their defaults
    assert not {"label_column", "limits"} & set(config["drop"])
    ended = running.ended(run["id"])
    assert (ended["state_name"], "nowhere" in ended["state"]["message"]) == ("Failed", True), ended["state"]


def test_deploying_again_changes_nothing_and_the_doctor_is_content(running: Any) -> None:
    def registered() -> dict[str, Any]:
        kinds = ("deployments", "work_pools", "automations", "block_documents", "variables")
        objects_by_kind = {kind: running.ask(f"/{kind}/filter", {"limit": 200}) for kind in kinds}
        # Prefect makes the triggers of a deployment anew
        return {
            f"{kind} {one['name']}": (one["name"] in TRIGGERS or one["id"], lasting(one))
            for kind, ones in objects_by_kind.items()
            for one in ones
        }

    before = registered()
    assert {"deployments cleanse", "deployments train-proxy", "work_pools gpu"} <= set(before)
    running.deploy()
    assert registered() == before
    running.wait_for("both workers are seen", lambda: "problem" not in doctor(running).values(), 120)
    assert {"deployments", "work pool gpu", "workers of gpu", "automations", "notifications"} <= set(doctor(running))


@whole
def test_a_running_run_without_any_sign_of_life_is_found_by_reconcile_too(running: Any, signs: Any) -> None:
    gone = running.make_run("arrival/arrival", "RUNNING", dataset="signs", name="first")
    time.sleep(40)  # more than a heartbeat: runs that live have told something since
    done = running.run_deployment("reconcile/reconcile", silent_s=38)
    assert done["state_name"] == "Completed"
    states = running.ask(f"/flow_run_states/?flow_run_id={gone}", method="GET")
    crashes = [state["message"] for state in states if state["type"] == "CRASHED"]
    assert crashes == ["lost: no sign of life for more than 38 s"]
    assert running.ended(gone)["state_name"] == "Known"  # it was started again, and the drop has its run


def test_the_api_refuses_whoever_has_no_password(running: Any) -> None:
    for path, method in (("/flow_runs/filter", "POST"), ("/deployments/filter", "POST"), ("/admin/settings", "GET")):
        assert running.status(path, None, method) == 401
        assert running.status(path, "operator:wrong", method) == 401
        assert running.status(path, method=method) in {200, 201}
    assert running.status("/health", None) == 200


def test_no_secret_is_anywhere_that_people_or_programs_look(running: Any, inbox: Any, signs: Any) -> None:
    from_server = json.dumps(
        [running.ask(f"/{kind}/filter", {"limit": 200}) for kind in ("flow_runs", "task_runs", "artifacts", "logs")]
    )
    assert "signs" in from_server
    places = {"server": from_server}
    places |= {f"log of {name}": process.log.read_text() for name, process in running.processes.items()}
    for bucket in ("clean", "work"):
        places |= {f"{bucket}/{key}": body for key, body in inbox.objects(bucket)}
    for file in (running.folder / "server").glob("prefect.db*"):  # with what is not yet written back to it
        places[file.name] = file.read_bytes().decode("latin-1")
    for secret in (*running.secrets, "canaryPasswordCanaryPassword01"):
        assert [place for place, text in places.items() if secret in text] == []


def lasting(value: Any) -> Any:
    """Return what the server holds, without times and without the numbers of parts that it makes anew."""
    if isinstance(value, list):
        return [lasting(each) for each in value]
    if isinstance(value, dict):
        held = {name: each for name, each in value.items() if each not in (None, [])}  # Prefect's no steps are either
        return {name: lasting(each) for name, each in held.items() if name not in CHANGING}
    return value


def doctor(running: Any) -> dict[str, str]:
    report = json.loads(running.telltale("doctor", "--json", expect=None).stdout)
    return {check["name"]: check["status"] for check in report["checks"]}
