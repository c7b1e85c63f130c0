"""A run that has to ask a person waits for one: the answer comes by a command, or by the form of the default UI."""

from __future__ import annotations

import os
from typing import Any

import pytest

from telltale_core import publish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="several drops, minutes each: E2E_WHOLE=1 runs them"),
]


def test_a_run_over_the_threshold_waits_for_a_person_and_goes_on_at_once(running: Any, inbox: Any) -> None:
    run = careful(running, inbox, "by-command")
    assert waiting(running, run)["state_name"] == "Suspended"
    assert inbox.objects_below("clean", "sets/by-command/") == []
    running.telltale("approve", run, "--reason", "looked at all of them", "--by", "Ann")
    assert running.ended(run)["state_name"] == "Completed"
    [version] = publish.log("s3://clean/sets/by-command")
    assert version.manifest["lineage"]["review"] == {"by": "Ann", "reason": "looked at all of them"}


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
    ui.picture(ui.folder / "review.png", height=1500)
    running.telltale("reject", run, "--reason", "a trigger in all of them", "--by", "Bo")
    assert running.ended(run)["state_name"] == "Rejected"


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
    ui.picture(ui.folder / "release.png", height=1500)
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
