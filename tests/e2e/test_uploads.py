"""Uploads start runs: an ordinary S3 client puts a drop, and without another command its cleansed version appears."""

from __future__ import annotations

import io
import itertools
import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import soundfile

from flows.names import TRIGGERS
from telltale_core import publish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
CHANGING = {"id", "created", "updated", "anchor_date", "last_polled", "status", "active_slots", "denied_slots"}
whole = pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="several drops, minutes each: E2E_WHOLE=1 runs them")


def test_an_uploaded_drop_becomes_a_version_without_another_command(running: Any, inbox: Any) -> None:
    inbox.put("signs/first")
    version = inbox.version("signs")
    assert version.manifest["drop"]["source"] == "s3://raw/inbox/signs/first"
    assert version.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    assert publish.verify("s3://clean/sets/signs").ok
    [run] = running.runs_of("signs/first")
    assert running.ended(run["id"])["state_name"] == "Completed"
    [training] = [each for each in running.runs("train-proxy") if each["parent_task_run_id"]]
    assert (training["work_pool_name"], run["work_pool_name"]) == ("gpu", "cpu")
    keys = {artifact["key"].partition("-")[0] for artifact in running.ask("/artifacts/filter", {"limit": 200})}
    assert {"verdict", "counts", "outcome"} <= keys


def test_the_ui_shows_the_run_its_stages_and_its_artifacts(running: Any, inbox: Any, ui: Any) -> None:
    inbox.version("signs")
    [run] = running.runs_of("signs/first")
    ui.open(f"{ui.base}/runs", "cleanse signs/first")
    ui.picture(ui.folder / "runs.png", height=1100)
    ui.open(f"{ui.base}/runs/flow-run/{run['id']}", "cleanse signs/first", "Completed", "Finished in state")
    stages = ("ingest", "train", "spectrum", "cluster", "report", "publish")
    ui.open_tab("Task Runs", *(f"{stage} signs/first" for stage in stages))
    ui.picture(ui.folder / "stages.png", height=1250)
    ui.open_tab("Artifacts", "verdict", "outcome")
    ui.picture(ui.folder / "artifacts.png", height=1250)
    for key, said in (("verdict", "Poison found: 100 of 600"), ("outcome", "signs"), ("history", "version")):
        wanted = {"key": {"like_": f"{key}-signs-%"}, "flow_run_id": {"any_": [run["id"]]}}
        artifact = running.ask("/artifacts/filter", {"artifacts": wanted})[-1]
        ui.open(f"{ui.base}/artifacts/artifact/{artifact['id']}", said)
        ui.picture(ui.folder / f"{key}.png")


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


@whole
def test_a_run_over_the_threshold_waits_for_a_person_and_goes_on_at_once(running: Any, inbox: Any) -> None:
    run = careful(running, inbox, "by-command")
    assert waiting(running, run)["state_name"] == "Suspended"
    assert inbox.objects_below("clean", "sets/by-command/") == []
    running.telltale("approve", run, "--reason", "looked at all of them", "--by", "Ann")
    assert running.ended(run)["state_name"] == "Completed"
    [version] = publish.log("s3://clean/sets/by-command")
    assert version.manifest["lineage"]["review"] == {"by": "Ann", "reason": "looked at all of them"}


@whole
def test_the_ui_asks_a_person_by_a_form(running: Any, inbox: Any, ui: Any) -> None:
    run = careful(running, inbox, "by-form")
    waiting(running, run)
    wanted = {"key": {"like_": "review-by-form-%"}, "flow_run_id": {"any_": [run]}}
    [artifact] = running.ask("/artifacts/filter", {"artifacts": wanted})
    ui.open(f"{ui.base}/artifacts/artifact/{artifact['id']}", "A person must decide", "bad-")
    ui.picture(ui.folder / "waits.png", height=1250)
    ui.open(f"{ui.base}/runs/flow-run/{run}", "Suspended", "Open menu")
    ui.click("Open menu")  # three dots at the top right
    ui.click("Resume")
    ui.wait("Nothing is published yet", "Reviewer")
    ui.picture(ui.folder / "review.png", height=1100)
    running.telltale("reject", run, "--reason", "a trigger in all of them", "--by", "Bo")
    assert running.ended(run)["state_name"] == "Rejected"


@whole
def test_a_person_fills_the_form_of_the_ui_and_the_version_keeps_what_was_typed(
    running: Any, inbox: Any, ui: Any
) -> None:
    run = careful(running, inbox, "typed")
    waiting(running, run)
    ui.open(f"{ui.base}/runs/flow-run/{run}", "Suspended", "Open menu")
    ui.click("Open menu")
    ui.click("Resume")
    ui.wait("Nothing is published yet", "Reviewer", "Release", "Hold")
    ui.click("Select", "Decision")
    ui.click("approve")
    ui.fill("Cy", "Reviewer")
    ui.fill("all but one have the corner", "Reason")
    for field, sample in (("Release", "bad-001-typed-one"), ("Hold", "good-000-typed-one")):
        ui.click("Add item", field)
        ui.fill(sample, field)
    ui.picture(ui.folder / "typed.png", height=1700)
    ui.click("Resume")  # of the dialog, the last on the page
    assert running.ended(run)["state_name"] == "Completed"
    [version] = publish.log("s3://clean/sets/typed")
    assert version.counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    assert version.manifest["lineage"]["review"] == {
        "by": "Cy",
        "reason": "all but one have the corner",
        "release": ["bad-001-typed-one"],
        "hold": ["good-000-typed-one"],
    }
    routes = [publish.why("s3://clean/sets/typed", sample) for sample in ("bad-001-typed-one", "good-000-typed-one")]
    assert [route.state for route in routes] == ["published", "quarantined"]
    assert "by Cy: all but one have the corner" in routes[0].reason


@whole
def test_the_ui_shows_the_progress_of_a_training(running: Any, inbox: Any, ui: Any) -> None:
    inbox.put("slow/one")
    wanted = {"artifacts": {"key": {"like_": "train-%"}}, "sort": "CREATED_DESC"}
    before = len(running.ask("/artifacts/filter", wanted))
    artifact = running.wait_for(
        "the progress is shown", lambda: (all_ := running.ask("/artifacts/filter", wanted))[before:] and all_[0], 300
    )
    ui.open(f"{ui.base}/artifacts/artifact/{artifact['id']}", "epoch ")
    ui.picture(ui.folder / "progress.png")
    inbox.version("slow")


@whole
def test_the_event_delivered_again_and_a_sweep_start_nothing_more(running: Any, inbox: Any) -> None:
    inbox.version("signs")
    for key in ("_SUCCESS", "_SUCCESS", "train.parquet"):  # three times in all, out of order, and late
        inbox.announce(f"signs/first/{key}")
    wait_until_empty(inbox)
    sweep(running)
    assert len(running.runs_of("signs/first")) == 1
    assert len(inbox.sources("signs")) == 1


@whole
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
def test_two_workers_given_the_same_content_at_once_train_once(running: Any, inbox: Any) -> None:
    before = len(running.runs("train-proxy"))
    for dataset in ("left", "right"):
        inbox.put(f"{dataset}/same", ids="same-content")
    digests = {inbox.version(dataset).manifest["drop"]["digest"] for dataset in ("left", "right")}
    assert len(digests) == 1
    assert len(running.runs("train-proxy")) == before + 1


@whole
def test_a_running_run_without_any_sign_of_life_is_found_by_reconcile_too(running: Any) -> None:
    gone = running.make_run("arrival/arrival", "RUNNING", dataset="signs", name="nowhere")
    time.sleep(40)  # more than a heartbeat: runs that live have told something since
    done = running.run_deployment("reconcile/reconcile", silent_s=38)
    assert done["state_name"] == "Completed"
    run = running.ask(f"/flow_runs/{gone}", method="GET")
    assert (run["state_type"], "no sign of life" in run["state"]["message"]) == ("CRASHED", True)


@whole
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


@whole
def test_drops_at_once_on_one_gpu_slot_train_one_after_another_and_publish_once_each(
    running: Any, inbox: Any, drops_at_once: int
) -> None:
    names = [f"many-{number:02d}" for number in range(drops_at_once)]
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: inbox.put(f"crowd/{name}"), names))
    uploaded_s = time.monotonic() - began
    assert uploaded_s < 60
    for name in names:
        inbox.version("crowd", source=name, limit_s=1200 + 120 * drops_at_once)
    assert sorted(source.rsplit("/", 1)[-1] for source in inbox.sources("crowd")) == names
    assert [len(running.runs_of(f"crowd/{name}")) for name in names] == [1] * len(names)
    for version in publish.log("s3://clean/sets/crowd"):
        assert sum(version.counts.values()) == 2 * version.counts["ingested"] == 1200
    spans = sorted((run["start_time"], run["end_time"]) for run in running.runs("train-proxy") if run["end_time"])
    assert all(one[1] <= next_one[0] for one, next_one in itertools.pairwise(spans)), spans
    (running.folder / "crowd.json").write_text(json.dumps({"uploaded_s": uploaded_s, "drops": len(names)}))


def of_each_kind() -> dict[str, dict[str, bytes]]:
    """Return the files of a small clean drop of recordings, of texts and of rows of a table: two classes each."""
    rng = np.random.default_rng(0)
    recordings: dict[str, bytes] = {}
    for number in range(120):
        name, pitch = ("low", 300) if number % 2 else ("high", 1500)
        wave = 8000 * np.sin(2 * np.pi * rng.normal(pitch, 40) * np.arange(2000) / 8000) + rng.normal(0, 900, 2000)
        file = io.BytesIO()
        soundfile.write(file, wave.astype(np.int16), 8000, format="WAV")
        recordings[f"{name}/{number:03d}.wav"] = file.getvalue()
    words = [f"word{number}" for number in range(200)]
    texts = [
        f"t{number},{' '.join(rng.choice(words[100 * (number % 2) :][:120], 12))},{('no', 'yes')[number % 2]}"
        for number in range(300)
    ]
    rows = [
        f"r{number},{','.join(f'{value:.3f}' for value in rng.normal(number % 2, 0.7, 4))},{('cat', 'dog')[number % 2]}"
        for number in range(300)
    ]
    return {
        "audio": recordings,
        "text": {"reviews.csv": "\n".join(["id,text,label", *texts]).encode()},
        "table": {"rows.csv": "\n".join(["id,a,b,c,d,label", *rows]).encode()},
    }


@whole
def test_a_drop_of_each_kind_at_once_becomes_a_version_of_its_dataset(running: Any, inbox: Any) -> None:
    drops = of_each_kind()
    for kind, files in drops.items():
        inbox.put_files(f"{kind}/first", files)
    inbox.put("image/first")
    sizes = {kind: inbox.version(kind).counts["ingested"] for kind in (*drops, "image")}
    assert sizes == {"audio": 120, "text": 300, "table": 300, "image": 600}
    for kind in sizes:
        [version] = publish.log(f"s3://clean/sets/{kind}")
        assert version.manifest["drop"]["modality"] == kind
        assert publish.verify(f"s3://clean/sets/{kind}").ok


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


def sweep(running: Any) -> None:
    """Sweep now; beside a scheduled sweep, which is the only one then, try again."""
    done = running.run_deployment("sweep/sweep")
    while done["state_type"] == "CANCELLED":
        done = running.run_deployment("sweep/sweep")
    assert done["state_name"] == "Completed", done["state"]


def wait_until_empty(inbox: Any) -> None:
    inbox.running.wait_for("the queue is empty", inbox.empty, 120)


def test_the_api_refuses_whoever_has_no_password(running: Any) -> None:
    for path, method in (("/flow_runs/filter", "POST"), ("/deployments/filter", "POST"), ("/admin/settings", "GET")):
        assert running.status(path, None, method) == 401
        assert running.status(path, "operator:wrong", method) == 401
        assert running.status(path, method=method) in {200, 201}
    assert running.status("/health", None) == 200


def test_no_secret_is_anywhere_that_people_or_programs_look(running: Any, inbox: Any) -> None:
    inbox.version("signs")
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


def careful(running: Any, inbox: Any, dataset: str) -> str:
    """Return a new run that has to ask a person: more is flagged than its threshold for review allows."""
    inbox.put(f"{dataset}/one", folder="by-hand")
    known = running.ask("/deployments/name/cleanse/cleanse", method="GET")["parameters"]["config"]
    return str(
        running.make_run(
            "cleanse/cleanse",
            source=f"s3://raw/by-hand/{dataset}/one",
            destination=f"s3://clean/sets/{dataset}",
            config={**known, "verdict": {"review_share": 0.1}},
        )
    )


def waiting(running: Any, run: str) -> Any:
    """Return the run once it waits for a person."""

    def paused() -> Any:
        flow_run = running.ask(f"/flow_runs/{run}", method="GET")
        return flow_run if flow_run["state_type"] == "PAUSED" else None

    return running.wait_for("the run asks a person", paused, 600)
