"""A person decides: the run of a deployment waits suspended, is resumed by form or command, and keeps who and why."""

from __future__ import annotations

import contextlib
import html
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core import publish
from telltale_core.drop import ingest
from telltale_core.errors import BadInput, ConfigError, Conflict, NotFound
from telltale_core.verdict.record import VerdictRecord
from tests.support.storage import CODE, make_verdict

REASON = "looked at all of them: `fine`\u202e <script>"


class Deployed:
    """One run of a deployment; ``execute`` does what a worker does with a run that is due."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        from prefect.client.orchestration import get_client

        from flows.cleanse import cleanse
        from tasks import keys

        with get_client(sync_client=True) as client:
            flow_id = client.create_flow_from_name(cleanse.name)
            deployment = client.create_deployment(flow_id, f"review-{uuid4().hex[:6]}", enforce_parameter_schema=False)
            tags = keys.tags(parameters["source"], parameters["destination"])
            run = client.create_flow_run_from_deployment(deployment, parameters=parameters, tags=tags)
            self.id: UUID = run.id

    def undecided(self) -> Deployed:
        """End it as the automation does when nobody answers."""
        from prefect.client.orchestration import get_client
        from prefect.states import Completed

        with get_client(sync_client=True) as client:
            client.set_flow_run_state(self.id, Completed(name="NeedsReview", message="nobody decided"), force=True)
        return self

    def read(self) -> Any:
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            return client.read_flow_run(self.id)

    def execute(self) -> Any:
        from prefect.exceptions import Pause
        from prefect.flow_engine import run_flow

        from flows.cleanse import cleanse

        run = self.read()
        with contextlib.suppress(Pause):
            run_flow(cleanse, flow_run=run, parameters=run.parameters, return_type="state")
        return self.read()

    def artifacts(self) -> dict[str, str]:
        from prefect.client.orchestration import get_client

        body = {"artifacts": {"flow_run_id": {"any_": [str(self.id)]}}, "sort": "CREATED_DESC", "limit": 50}
        with get_client(sync_client=True) as client:
            rows = client.request("POST", "/artifacts/filter", json=body).json()
        return {one["key"].partition("-")[0]: str(one["data"]) for one in reversed(rows)}


@pytest.fixture
def schedule(
    prefect_server: str, tmp_path: Path, small_drop: Path, small_work: Path, small_settings: dict[str, Any]
) -> Callable[..., Deployed]:
    """Schedule a run whose verdict asks for a person."""

    def begin(**parameters: Any) -> Deployed:
        config = {**small_settings, "verdict": {"review_share": 0.1}}
        places = {"source": str(small_drop), "destination": str(tmp_path / "out"), "work": str(small_work)}
        return Deployed({**places, "config": config, **parameters})

    return begin


@pytest.fixture
def start(schedule: Callable[..., Deployed]) -> Callable[..., Deployed]:
    """Schedule such a run and execute it until it waits."""

    def begin(**parameters: Any) -> Deployed:
        deployed = schedule(**parameters)
        deployed.execute()
        return deployed

    return begin


def decide(run: object, *, approve: bool, by: str = "Ann", reason: str = REASON, **samples: Any) -> dict[str, str]:
    from flows.review import decide

    def in_place(_parameters: dict[str, Any]) -> None:
        raise AssertionError("a deployment's run is not run by the command")

    return decide(str(run), approve=approve, by=by, reason=reason, in_place=in_place, **samples)


def check_samples(run: Deployed, out: Path) -> None:
    """An answer that names a sample which is not there is asked for again; the next one is what is published."""
    decide(run.id, approve=True, release=["nobody"])
    again = run.execute()
    assert again.state_name == "Suspended"
    assert again.state.message.startswith("release: 'nobody' is no sample of this drop and no group of its verdict")
    assert publish.log(out) == []
    assert "(group " in run.artifacts()["groups"]
    shown = re.findall(r"bad-\d{3}", run.artifacts()["review"])
    named = {"release": [shown[0]], "hold": ["good-000"]}
    assert decide(run.id, approve=True, **named) == {"run": str(run.id), "state": "resumed"}


def check_decided(out: Path) -> None:
    """The version says who released and held which sample, and why."""
    review = publish.read_version(out).manifest["lineage"]["review"]
    released, held = publish.why(out, review["release"][0]), publish.why(out, review["hold"][0])
    assert (released.state, held.state) == ("published", "quarantined")
    assert released.reason.startswith("released by Ann: looked at all of them")
    assert held.reason.startswith("held by Ann: looked at all of them")


def check_named(run: str, before: Any) -> None:
    """The run that publishes has name and tags from its making on, and waits in the queue of its dataset."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        started = client.read_flow_run(UUID(run))
    assert re.fullmatch(r"cleanse out/\S+", started.name)
    assert {"dataset:out", "started-by:approval"} <= set(started.tags)
    assert {tag for tag in before.tags if tag.startswith(("dataset:", "drop:"))} <= set(started.tags)


def test_a_late_approval_makes_its_run_in_the_queue_of_its_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import review

    parameters = {"source": "s3://raw/inbox/signs/monday", "destination": "s3://clean/signs"}
    asked = SimpleNamespace(
        id=uuid4(), name="cleanse signs/monday", state_name="NeedsReview", labels={review.APPROVAL_LABEL: CODE},
        parameters=parameters, deployment_id=uuid4(), work_pool_name="cpu", work_queue_name="dataset-signs",
    )  # fmt: skip
    runs: list[dict[str, Any]] = []

    def create(_deployment: Any, **options: Any) -> Any:
        runs.append(options)
        return SimpleNamespace(id=uuid4())

    client = SimpleNamespace(
        read_flow_run=lambda _run: asked,
        create_flow_run_from_deployment=create,
        set_flow_run_state=lambda *_, **__: None,
    )
    monkeypatch.setattr(review, "get_client", lambda **_: contextlib.nullcontext(client))
    assert decide(asked.id, approve=True)["state"] == "started"
    [options] = runs
    assert options["name"] == "cleanse signs/monday"
    assert options["tags"] == ["dataset:signs", "drop:monday", "started-by:approval"]
    assert options["work_queue_name"] == "dataset-signs"


def check_form(run: Deployed) -> None:
    """The form says what was found, and takes no answer without a decision, a name and a reason."""
    from prefect.client.orchestration import get_client

    keys = run.read().state.state_details.run_input_keyset
    with get_client(sync_client=True) as client:
        text = client.read_flow_run_input(run.id, keys["description"])
        assert "report.html" in text
        assert "A person must decide" in text
        assert "quarantined 100" in text
        bad = [{}, {"decision": "approve"}, {"decision": "maybe", "reviewer": "Ann", "reason": "why"}]
        bad += [{"decision": "approve", "reviewer": "  ", "reason": "why"}]
        for answer in bad:
            assert client.resume_flow_run(run.id, run_input=answer).status.value == "REJECT"
    assert run.read().state_name == "Suspended"


def check_why(run: Deployed) -> None:
    """State, list and artifact say why it waits; the artifact shows the worst samples, and the report is fetched."""
    from typer.testing import CliRunner

    from flows.cli import app
    from flows.review import waiting

    waits = run.read()
    assert re.fullmatch(r"cleanse out/\S+", waits.name)
    why = waits.state.message
    assert why.startswith("Poison found: 100 of 600")
    assert "quarantined 100" in why
    assert "[much_held_back]" in why
    [listed] = [one for one in waiting() if one.id == str(run.id)]
    assert listed.message == why
    assert "<code>Suspended</code>" in run.artifacts()["history"]
    shown = run.artifacts()["review"]
    assert shown.count("](data:image/png;base64,") == 6
    assert len(set(re.findall(r"bad-\d{3}", shown))) == 6
    assert "distance (threshold)" in shown
    got = CliRunner().invoke(app, ["report", str(run.id), "--no-show", "--json"])
    assert got.exit_code == 0, got.output
    answer = json.loads(got.stdout)
    assert answer["address"] in html.unescape(shown)
    assert "Poison found" in Path(answer["file"]).read_text()


def check_published(run: Deployed, out: Path) -> None:
    """The report that is named after publication lies beside the version; a crash that healed is told as healed."""
    from prefect.client.orchestration import get_client

    from tasks import healed
    from tasks.keys import artifact

    [address] = publish.read_version(out).report_urls()
    assert address.startswith(str(out))
    assert run.read().labels["telltale.report"] == address
    shown = run.artifacts()
    assert address in html.unescape(shown["outcome"])
    assert artifact("history", str(out)) in html.unescape(shown["outcome"])
    assert f"{run.id}" in shown["history"]
    since = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    asked = {"filter": {"event": {"name": [healed.EVENT]}, "occurred": since}, "limit": 50}
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while not (events := client.request("POST", "/events/filter", json=asked).json()["events"]):
            assert time.monotonic() < deadline
            time.sleep(0.3)
    assert "crashed 1 times" in events[0]["payload"]["text"]


def newest_page(dataset: str) -> str:
    """Return a dataset's page as it stands."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    from tasks.keys import artifact

    named = ArtifactFilter(key=ArtifactFilterKey(any_=[artifact("history", dataset)]))
    with get_client(sync_client=True) as client:
        [newest, *_] = client.read_artifacts(artifact_filter=named, sort=ArtifactSort.CREATED_DESC, limit=1)
    return str(newest.data)


def forms_at_suspension(patch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that tells, for each time that a run is about to be suspended, whether its form is there."""
    from tasks import review

    there, propose = list[bool](), review.propose_state_sync

    def noted(client: Any, state: Any, *, flow_run_id: Any) -> Any:
        schema = state.state_details.run_input_keyset["schema"]
        there.append(bool(client.filter_flow_run_input(flow_run_id, schema, 1, set())))
        return propose(client, state, flow_run_id=flow_run_id)

    patch.setattr(review, "propose_state_sync", noted)
    return there


def test_a_run_waits_suspended_and_an_approval_publishes_with_name_and_reason_also_after_a_crash(
    start: Callable[..., Deployed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed, Scheduled

    forms = forms_at_suspension(monkeypatch)
    run = start()
    assert forms == [True]
    waits = run.read()
    assert (waits.state_name, waits.state.type.value) == ("Suspended", "PAUSED")
    assert publish.log(tmp_path / "out") == []
    check_form(run)
    check_why(run)
    check_samples(run, tmp_path / "out")
    with get_client(sync_client=True) as client:  # a worker took it up and died: nobody is asked twice
        client.set_flow_run_state(run.id, Crashed(), force=True)
        client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry"), force=True)
    done = run.execute()
    assert done.state_name == "Completed"
    lineage = publish.read_version(tmp_path / "out").manifest["lineage"]
    assert len(lineage["approved"]) == 16
    assert lineage["review"]["by"] == "Ann"
    assert lineage["review"]["reason"].startswith("looked at all of them: `fine`[U+202E]")
    outcome = run.artifacts()["outcome"]
    check_published(run, tmp_path / "out")
    check_decided(tmp_path / "out")
    assert "approved by Ann" in outcome
    assert "<script>" not in outcome


def test_the_form_of_a_run_between_hostile_folders_shows_their_names_and_does_nothing(
    start: Callable[..., Deployed], tmp_path: Path, small_drop: Path
) -> None:
    from markdown_it import MarkdownIt
    from prefect.client.orchestration import get_client

    folder = "![report](https:evil.example)"
    (tmp_path / folder).symlink_to(small_drop)
    run = start(source=str(tmp_path / folder), destination=str(tmp_path / "sets" / folder))
    waits = run.read()
    assert waits.name == "cleanse __report_(https_evil.example)/__report_(https_evil.example)"
    with get_client(sync_client=True) as client:
        text = client.read_flow_run_input(run.id, waits.state.state_details.run_input_keyset["description"])
    tokens = [child for token in MarkdownIt("commonmark").parse(text) for child in token.children or []]
    assert not {"image", "link_open"} & {token.type for token in tokens}
    assert folder in "".join(token.content for token in tokens)


def other_version(out: Path, folder: Path) -> None:
    """Publish a drop that is unlike the small one."""
    table = pa.table({"text": [f"sentence {row} of a text" for row in range(60)], "label": [0, 1] * 30})
    (folder / "other").mkdir()
    pq.write_table(table, folder / "other" / "a.parquet")
    drop = ingest(str(folder / "other"), folder / "drops")
    publish.publish(drop, make_verdict(folder / "verdict", drop, set(), set()), out, lineage=CODE)


def test_an_approval_of_what_has_changed_since_is_asked_again(start: Callable[..., Deployed], tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client

    run = start()
    decide(run.id, approve=True)
    other_version(tmp_path / "out", tmp_path)
    again = run.execute()
    assert (again.state_name, len(publish.log(tmp_path / "out"))) == ("Suspended", 1)
    with get_client(sync_client=True) as client:
        text = client.read_flow_run_input(run.id, again.state.state_details.run_input_keyset["description"])
    assert "What was approved is not what is open now" in text
    assert "modality" in text
    decide(run.id, approve=True, by="Bo")
    assert run.execute().state_name == "Completed"
    lineage = publish.read_version(tmp_path / "out", 2).manifest["lineage"]
    assert lineage["review"]["by"] == "Bo"
    assert "modality_changed" in {question["code"] for question in lineage["questions"]}


def test_a_rejection_holds_although_nothing_is_open_any_more(
    start: Callable[..., Deployed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    decide(run.id, approve=False, reason="a trigger in class a")
    monkeypatch.setattr(VerdictRecord, "open_questions", [])
    assert run.execute().state_name == "Rejected"
    assert publish.log(tmp_path / "out") == []


def test_a_sample_that_was_held_is_asked_about_again_although_nothing_is_open_any_more(
    start: Callable[..., Deployed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    decide(run.id, approve=True, hold=["good-000"])
    monkeypatch.setattr(VerdictRecord, "open_questions", [])
    again = run.execute()
    assert (again.state_name, publish.log(tmp_path / "out")) == ("Suspended", [])
    assert "[decision_outdated]" in again.state.message
    decide(run.id, approve=True, hold=["good-000"])
    assert run.execute().state_name == "Completed"
    assert publish.why(tmp_path / "out", "good-000").state == "quarantined"


def test_samples_are_decided_by_nobody_without_a_name(run_cleanse: Callable[..., Any], tmp_path: Path) -> None:
    state = run_cleanse({}, approve="0" * 16, hold=["good-000"])
    with pytest.raises(ConfigError, match="release and hold need approve, reviewer and reason"):
        state.result()
    assert publish.log(tmp_path / "out") == []


def test_a_rejection_publishes_nothing_and_says_who_and_why(start: Callable[..., Deployed], tmp_path: Path) -> None:
    run = start()
    assert decide(run.id, approve=False, reason="a trigger in class a")["state"] == "resumed"
    done = run.execute()
    assert done.state_name == "Rejected"
    assert "Ann: a trigger in class a" in done.state.message
    assert publish.log(tmp_path / "out") == []
    assert "rejected by Ann: a trigger in class a" in run.artifacts()["outcome"]
    assert "<code>Rejected</code>" in run.artifacts()["history"]


def test_an_undecided_run_of_a_deployment_is_approved_later_by_a_new_run_and_only_once(
    start: Callable[..., Deployed], tmp_path: Path
) -> None:
    earlier = {"approve": "0" * 16, "reviewer": "Bo", "reason": "of another verdict", "release": ["group 0"]}
    run = start(**earlier).undecided()
    answer = decide(run.id, approve=True)
    assert answer["state"] == "started"
    check_named(answer["run"], run.read())
    again = Deployed.__new__(Deployed)
    again.id = UUID(answer["run"])
    assert again.execute().state_name == "Completed"
    review = publish.read_version(tmp_path / "out").manifest["lineage"]["review"]
    assert (review["by"], "release" in review) == ("Ann", False)  # what Bo released is not carried over
    assert run.read().state_name == "Approved"
    with pytest.raises(Conflict, match="does not wait for a person"):
        decide(run.id, approve=False)


def test_a_dry_run_of_a_deployment_asks_nobody_and_cannot_be_approved(start: Callable[..., Deployed]) -> None:
    run = start(dry_run=True)
    assert run.read().state_name == "NeedsReview"
    with pytest.raises(Conflict, match="does not say what it asked"):
        decide(run.id, approve=True)


def test_an_undecided_run_whose_questions_changed_is_not_published_from_the_command_line(
    run_cleanse: Callable[..., Any], small_settings: dict[str, Any], tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    run = str(run_cleanse({**small_settings, "verdict": {"review_share": 0.1}}).state_details.flow_run_id)
    other_version(tmp_path / "out", tmp_path)
    refused = CliRunner().invoke(app, ["approve", run, "--reason", "no trigger", "--by", "Bo"])
    assert (refused.exit_code, len(publish.log(tmp_path / "out"))) == (4, 1)
    assert "What was approved is not what is open now" in refused.stderr


def test_waiting_runs_are_listed_and_found_by_name_or_address(schedule: Callable[..., Deployed]) -> None:
    from flows.review import waiting

    first, second = schedule().undecided(), schedule().undecided()
    assert {str(first.id), str(second.id)} <= {one.id for one in waiting()}
    address = f"http://127.0.0.1:4200/runs/flow-run/{first.id}?tab=Logs"
    assert decide(address, approve=False)["run"] == str(first.id)
    assert decide(second.read().name, approve=False)["run"] == str(second.id)
    with pytest.raises(NotFound, match="no waiting run is called"):
        decide("cleanse nothing into nowhere", approve=True)
    with pytest.raises(NotFound, match="knows no run"):
        decide(uuid4(), approve=True)


def test_two_waiting_runs_of_one_name_are_told_apart_by_id(schedule: Callable[..., Deployed]) -> None:
    from prefect.client.orchestration import get_client

    runs = [schedule().undecided(), schedule().undecided()]
    with get_client(sync_client=True) as client:
        for run in runs:
            client.update_flow_run(run.id, name="cleanse twins")
    with pytest.raises(BadInput, match="ambiguous_run") as error:
        decide("cleanse twins", approve=True)
    assert all(str(run.id) in str(error.value) for run in runs)


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("Ann", " "), ("Ann", "x" * 501)])
def test_a_decision_without_name_or_reason_is_refused_before_any_call(by: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="--reason"):
        decide(uuid4(), approve=True, by=by, reason=reason)


def test_a_run_of_the_command_line_is_approved_or_rejected_by_its_id(
    run_cleanse: Callable[..., Any],
    schedule: Callable[..., Deployed],
    small_settings: dict[str, Any],
    tmp_path: Path,
) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    careful = {**small_settings, "verdict": {"review_share": 0.1}}
    first, second = str(schedule().undecided().id), str(run_cleanse(careful).state_details.flow_run_id)
    listed = json.loads(CliRunner().invoke(app, ["reviews", "--json"]).stdout)
    assert {first, second} <= {one["id"] for one in listed}
    refused = CliRunner().invoke(app, ["reject", first, "--reason", "a trigger", "--by", "Bo", "--json"])
    assert (refused.exit_code, json.loads(refused.stdout)["state"]) == (0, "rejected")
    assert re.search(rf"{first}.*<code>Rejected<", newest_page(str(tmp_path / "out")))
    assert publish.log(tmp_path / "out") == []
    agreed = CliRunner().invoke(app, ["approve", second, "--reason", "no trigger", "--by", "Bo"])
    assert agreed.exit_code == 0, agreed.output
    assert "this run is version 1" in agreed.stdout
    review = publish.read_version(tmp_path / "out").manifest["lineage"]["review"]
    assert review == {"by": "Bo", "reason": "no trigger"}
    assert CliRunner().invoke(app, ["approve", first, "--reason", "changed my mind"]).exit_code == 4
