"""The main flow: a drop goes in, a cleansed version comes out. It passes records of keys and settings, never data."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import parameters
from tasks import artifacts, history, policy, redaction, review, sanitize
from tasks.pipeline import Runner
from tasks.train_elsewhere import deployed
from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.modality.local_model import by_content
from telltale_core.stages import check_addresses, drop_settings, settings_of

log = logging.getLogger(__name__)
STATES = {"published": "Completed", "dry-run": "DryRun", "needs-review": "NeedsReview", "rejected": "Rejected"}


def run_name() -> str:
    """Return what the UI calls a run, such as ``cleanse digits into digits-clean``."""
    parameters = flow_run.parameters
    return f"cleanse {policy.stem(parameters['source'])} into {policy.stem(parameters['destination'])}"


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
    config: parameters.Run = parameters.DEFAULTS,
) -> State[dict[str, Any]]:
    """Find the poison in the drop at ``source``, quarantine it, publish the rest in ``destination``.

    Every stage is reused where its input, settings and code are unchanged. The final state is called ``NeedsReview``
    where a question is open (of the drop, its columns, the verdict, or what changed since the dataset's last version)
    and ``approve`` is not its code; nothing is published then. A run of a deployment waits
    for that person first, suspended, and ends ``Completed`` or ``Rejected``. ``reviewer`` and ``reason`` go with
    ``approve``. Addresses must hold no credentials: parameters are stored and shown.

    Args:
        source: The drop: a folder or an address such as s3://raw/inbox/signs/2026-11-22.
        destination: The dataset whose next version is published, such as s3://clean/signs.
        work: The work area; it must be shared by all machines that take part.
        dry_run: Do everything but publish.
        train_on: The deployment that trains, such as train-proxy/train-proxy; empty: train in this run.
        approve: The code that came with the questions, to publish just what was shown. Else leave it empty.
        reviewer: The name of the person who approves.
        reason: Why that person approves.
        config: Settings by stage. Defaults: Telltale's own. Own values: opens the fields of the stage.

    """
    check_addresses(source, destination, work)
    settings = to_dict(settings_of(config, destination))
    by_content(settings["proxy"]["model"])  # a local model that cannot be read is refused before the drop is read
    trainer = train_on if deployed(train_on) else ""
    settings["drop"] = drop_settings(settings, elsewhere=bool(trainer))
    run = Runner(work, destination, trainer)
    verdict = judged(source, destination, work, settings, run)
    artifacts.show_verdict(verdict, work)
    page = run(stages.report, verdict, settings["report"])
    publish = partial(run, stages.publish, page, settings["publish"])
    decision = review.signed(reviewer, reason) if approve and reviewer else None
    refused = review.rejection()
    outcome = publish(approve=approve, review=decision, dry_run=dry_run or refused is not None)
    while outcome["state"] == "needs-review" and not dry_run and refused is None:
        review.note(outcome["approval"])
        if not review.may_ask():
            break
        decision = review.ask(artifacts.question(outcome, page, work), outcome["approval"], before=approve)
        outcome = publish(approve=outcome["approval"], review=decision)
    if refused is not None:
        outcome = review.rejected(outcome, refused)
    artifacts.show_outcome(outcome, page, work)
    if outcome["state"] == "published":
        history.show_history(outcome["dataset"])
    message = outcome["statement"]
    if outcome["state"] == "needs-review":
        message += f" Open: {', '.join(question['code'] for question in outcome['questions'])}."
    return Completed(
        name=STATES[outcome["state"]], message=sanitize.line(message), data={**outcome, "keys": page["keys"]}
    )


def judged(source: str, destination: str, work: str, settings: dict[str, Any], run: Runner) -> stages.Record:
    """Return the record of the verdict on a drop: ingest, train, spectrum and cluster, for each reading of it."""
    most = settings["verdict"]["with_history"]

    def earlier(drop: stages.Record) -> list[Any]:
        return policy.patiently(lambda: stages.earlier_versions(drop, destination, most))

    verdicts = stages.judged(source, settings, run, earlier)
    return policy.patiently(lambda: stages.together(verdicts, work, settings["drop"]))
