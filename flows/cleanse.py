"""The main flow: a drop goes in, a cleansed version comes out. It passes records of keys and settings, never data."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import parameters
from tasks import artifacts, history, keys, policy, redaction, review, review_page, sanitize, story
from tasks.healed import tell_if_healed
from tasks.pipeline import Runner
from tasks.receipts import Receipts
from tasks.train_elsewhere import deployed
from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.errors import BadInput
from telltale_core.modality.local_model import by_content
from telltale_core.stages import check_addresses, drop_settings, settings_of

log = logging.getLogger(__name__)
STATES = {"published": "Completed", "dry-run": "DryRun", "needs-review": "NeedsReview", "rejected": "Rejected"}


def run_name() -> str:
    """Return what the UI calls a run, such as ``cleanse signs/2026-11-22``."""
    return f"cleanse {keys.own_subject()}"


@flow(name="cleanse", flow_run_name=run_name, **policy.RESULTS)
@redaction.withholding
def cleanse(
    source: str,
    destination: str,
    work: str = "runs",
    *,
    dry_run: bool = False,
    train_on: str = "",
    approve: str = "",
    reviewer: str = "",
    reason: str = "",
    release: list[str] = [],  # noqa: B006 - never changed; None would make the form ask for a type
    hold: list[str] = [],  # noqa: B006
    receipt: bool = False,
    config: parameters.Run = parameters.DEFAULTS,
) -> State[dict[str, Any]]:
    """Find the poison in the drop at ``source``, quarantine it, publish the rest in ``destination``.

    Every stage is reused where its input, settings and code are unchanged. The final state is called ``NeedsReview``
    where a question is open (of the drop, its columns, the verdict, or what changed since the dataset's last version)
    and ``approve`` is not its code; nothing is published then. A run of a deployment waits
    for that person first, suspended, and ends ``Completed`` or ``Rejected``. ``reviewer``, ``reason``,
    ``release`` and ``hold`` go with ``approve``. Addresses must hold no credentials: parameters are stored and shown.

    Args:
        source: The drop: a folder or an address such as s3://raw/inbox/signs/2026-11-22.
        destination: The dataset whose next version is published, such as s3://clean/signs.
        work: The work area; it must be shared by all machines that take part.
        dry_run: Do everything but publish.
        train_on: The deployment that trains, such as train-proxy/train-proxy; empty: train in this run.
        approve: The code that came with the questions, to publish just what was shown. Else leave it empty.
        reviewer: The name of the person who approves.
        reason: Why that person approves.
        release: With approve: samples to publish though they are held back, by ids, or as group 3.
        hold: With approve: samples to quarantine though they are kept, by ids, or as group 3.
        receipt: Leave an answer for the contributor beside the drop, _RECEIPT.json.
        config: Settings by stage. Defaults: Telltale's own. Own values: opens the fields of the stage.

    """
    check_addresses(source, destination, work)
    began_s = time.monotonic()
    history.tag_run()
    receipts = Receipts(source, work, wanted=receipt)
    with history.noting_failure(destination), receipts.noting_failure():
        decision = review.decision(approve, reviewer, reason, release, hold)
        settings = to_dict(settings_of(config, destination))
        by_content(settings["proxy"]["model"])  # a local model that cannot be read is refused before the drop is read
        trainer = train_on if deployed(train_on) else ""
        settings["drop"] = drop_settings(settings, elsewhere=bool(trainer))
        run = Runner(work, destination, trainer, settings["scale"])
        verdict = judged(source, settings, run, receipts)
        story.judged(verdict, work)
        artifacts.show_verdict(verdict, work, destination)
        page = run(stages.report, verdict, settings["report"])
        artifacts.note_report(artifacts.report_address(page, work))
        publish = partial(run, stages.publish, page, settings["publish"])
        refused = review.rejection()
        outcome, problem = review.first(publish, approve, decision, dry_run=dry_run or refused is not None)
        while outcome["state"] == "needs-review" and not dry_run and refused is None:
            review.note(review.APPROVAL_LABEL, outcome["approval"])
            review_page.show(outcome, page, work)
            story.say("waits for a person: %s", ", ".join(one["code"] for one in outcome["questions"]))
            receipts.ended(outcome)
            if not review.may_ask():
                break
            history.show_history(outcome["dataset"], review.WAITS)
            asked = artifacts.question(outcome, page, work), review_page.why(outcome)
            outcome = review.ask(publish, *asked, outcome["approval"], before=approve, refused=problem)
        if refused is not None:
            outcome = review.rejected(outcome, refused)
        receipts.ended(outcome)
        story.ended(outcome, began_s)
        return _final_state(outcome, page, work)


def _final_state(outcome: dict[str, Any], page: stages.Record, work: str) -> State[dict[str, Any]]:
    """Return the final state of a run, having shown what came of it."""
    tell_if_healed()
    artifacts.show_outcome(outcome, page, work)
    if outcome["state"] == "published":
        artifacts.note_report(*outcome["reports"][:1])
    history.show_history(outcome["dataset"], STATES[outcome["state"]])
    message = review_page.why(outcome) if outcome["state"] == "needs-review" else outcome["statement"]
    return Completed(
        name=STATES[outcome["state"]], message=sanitize.line(message), data={**outcome, "keys": page["keys"]}
    )


def judged(source: str, settings: dict[str, Any], run: Runner, receipts: Receipts) -> stages.Record:
    """Return the record of the verdict on a drop: ingest, train, spectrum and cluster, for each reading of it."""
    most = settings["verdict"]["with_history"]

    def earlier(drop: stages.Record) -> list[Any]:
        story.read(drop, run.work)
        receipts.read(drop)
        return policy.patiently(lambda: stages.earlier_versions(drop, run.destination, most))

    try:
        verdicts = stages.judged(source, settings, run, earlier)
    except BadInput as error:
        receipts.refused(error)
        raise
    return policy.patiently(lambda: stages.together(verdicts, run.work, settings["drop"]))
