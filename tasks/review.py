"""A person decides: the form that a run shows in the UI, what was answered, and what the lineage keeps of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause
from prefect.input import RunInput, keyset_from_paused_state
from prefect.runtime import deployment, flow_run
from prefect.states import Suspended
from prefect.utilities.engine import propose_state_sync
from pydantic import Field

from tasks.sanitize import markdown
from telltale_core.display.sanitize import clean
from telltale_core.errors import BadInput, ConfigError, Conflict
from telltale_core.publish.decisions import UNKNOWN
from telltale_core.publish.gate import CHANGED

KEY = "review"  # and the code of what is asked: a run asks for each once, and reads the answer also after a crash
APPROVAL_LABEL = "telltale.asked"
"""The label of a run that holds the code of what it asked last."""
REPORT_LABEL = "telltale.report"
"""The label of a run that holds where its report lies: in the work area, then beside the version for good."""
WAITS = "Suspended"  # the state of a run that waits for a person
MOST_INPUTS = 200
MAX_WORDS = 500
MOST_NAMED = 500
MOST_ASKED = 50
_SAID = r"\S"


class Review(RunInput):
    """The form: approve (publish what the verdict kept) or reject (publish nothing), by whom, and why."""

    decision: Literal["approve", "reject"] = Field(
        description="approve: publish what was kept, without what is held back. reject: publish nothing."
    )
    reviewer: str = Field(min_length=1, max_length=200, pattern=_SAID, description="Your name, kept with the decision.")
    reason: str = Field(
        min_length=1, max_length=MAX_WORDS, pattern=_SAID, description="Why, kept in the version's lineage."
    )
    release: list[str] = Field(
        default=[],
        max_length=MOST_NAMED,
        description="With approve: samples to publish, though they are held back. Ids, or group 3 for all of a group.",
    )
    hold: list[str] = Field(
        default=[],
        max_length=MOST_NAMED,
        description="With approve: samples to quarantine, though they are kept. Ids, or group 3 for all of a group.",
    )


def may_ask() -> bool:
    """Return whether this run can wait for a person: it belongs to a deployment, so a worker can take it up again."""
    return deployment.id is not None


def note(label: str, value: str) -> None:
    """Keep a label with this run, such as the code of what it asks for: who approves it later approves just that."""
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(UUID(flow_run.id), {label: value})


def decision(
    approve: str, reviewer: str, reason: str, release: Sequence[str], hold: Sequence[str]
) -> dict[str, Any] | None:
    """Return who decided what by a run's parameters; :class:`ConfigError` for samples that nobody answers for."""
    if (release or hold) and not (approve and reviewer.strip() and reason.strip()):
        raise ConfigError("release and hold need approve, reviewer and reason: say who decides on samples, and why")
    return signed(reviewer, reason, release, hold) if approve and reviewer else None


def first(
    publish: Callable[..., dict[str, Any]], approve: str, decided: dict[str, Any] | None, *, dry_run: bool
) -> tuple[dict[str, Any], str]:
    """Return what ``publish`` tells before anybody is asked, and what is wrong with the samples that were named.

    Where an answer to this run's forms named samples, or the names are wrong, nothing is published without asking: the
    names go along without a code that approves them, and :func:`ask` takes them up or asks for them again.
    """
    named = decided if decided is not None else _named_before()
    try:
        return publish(approve=approve, review=named, dry_run=dry_run), ""
    except BadInput as error:
        if error.code != UNKNOWN:
            raise
        return publish(approve="", review=named, dry_run=dry_run), str(error)


def _named_before() -> dict[str, Any] | None:
    """Return the last approval by this run's forms, if it named samples."""
    answers = [answer for answer in _answers() if answer["decision"] == "approve"] if may_ask() else []
    if not answers or not (answers[-1].get("release") or answers[-1].get("hold")):
        return None
    last = answers[-1]
    return signed(last["reviewer"], last["reason"], last.get("release", []), last.get("hold", []))


def ask(
    publish: Callable[..., dict[str, Any]], text: str, why: str, code: str, *, before: str = "", refused: str = ""
) -> dict[str, Any]:
    """Return what ``publish`` tells, once a person approved what ``code`` names; ``text`` (Markdown) heads the form.

    The first call for a code suspends the run: its process ends, its worker's slot is free. Once it is resumed the flow
    runs again from its start, finished stages are reused, and the answer is taken up; a rejection is found by
    :func:`rejection` first. Where another code was approved, in this run or ``before`` it, the text says so. An answer
    that names samples which are not there is asked for again, with the reason; ``refused`` is that of an earlier one.
    """
    if before or _answers(but=code):
        text = f"**{CHANGED}. Please look again.**\n\n{text}"
    for number in range(MOST_ASKED):
        again = f"**{markdown(refused)}**\n\n" if refused else ""
        state = f"{refused} {why}" if refused else why
        answer = _suspend(again + text, state, f"{KEY}-{code}" + (f"-{number}" if number else ""))
        try:
            decision = signed(answer.reviewer, answer.reason, answer.release, answer.hold)
            return publish(approve=code, review=decision)
        except BadInput as error:
            if error.code != UNKNOWN:
                raise
            refused = str(error)
    raise Conflict(f"{MOST_ASKED} answers named samples that are not there: run the drop again")


def _suspend(text: str, why: str, key: str) -> Review:
    """Return the answer to the form of this key, or end this process until there is one.

    Prefect's ``suspend_flow_run``, but the state says why: the list of runs and the notification show it.
    """
    run = UUID(flow_run.id)
    state: State[Any] = Suspended(pause_key=key, message=why)
    form: Any = Review.with_initial_data(description=text)
    keyset: Any = keyset_from_paused_state(state)
    state.state_details.run_input_keyset = keyset
    with get_client(sync_client=True) as client:
        if not client.filter_flow_run_input(run, keyset["schema"], 1, set()):
            form.save(keyset)  # before the state: whoever sees that the run waits finds its form
        try:
            standing = propose_state_sync(client, state, flow_run_id=run)
        except Abort as error:
            raise Conflict(f"the run cannot wait for a person: {error}") from error
        if standing.is_running():  # it was suspended by this key before, and resumed
            answer: Review = form.load(keyset)
            return answer
        if not standing.is_paused():
            raise Conflict(f"the run cannot wait for a person: it is {standing.name}")
    raise Pause(state=standing)


def rejection() -> dict[str, Any] | None:
    """Return who rejected this run, and why: that holds, whatever is open by now; None where nobody has."""
    refused = [answer for answer in _answers() if answer["decision"] == "reject"] if may_ask() else []
    return signed(refused[0]["reviewer"], refused[0]["reason"]) if refused else None


def _answers(but: str = "") -> list[dict[str, Any]]:
    """Return what was answered to this run's forms, the last one last, but for those of a code."""
    prefix, ending, mine = f"suspended-{KEY}", "-response", f"suspended-{KEY}-{but}"
    with get_client(sync_client=True) as client:
        inputs = client.filter_flow_run_input(UUID(flow_run.id), prefix, MOST_INPUTS, set())
    inputs = sorted(inputs, key=lambda one: one.created or datetime.min.replace(tzinfo=UTC))
    kept = [one for one in inputs if one.key.endswith(ending) and not (but and one.key.startswith(mine))]
    return [json.loads(one.value) for one in kept]


def signed(reviewer: str, reason: str, release: Sequence[str] = (), hold: Sequence[str] = ()) -> dict[str, Any]:
    """Return who decided what and why, as the lineage keeps it: visible characters only, credentials withheld.

    Names of samples are kept as they are: each must be one of the drop's.
    """
    named = {"release": [name for name in release if name.strip()], "hold": [name for name in hold if name.strip()]}
    return {
        "by": clean(reviewer.strip(), 200),
        "reason": clean(reason.strip(), MAX_WORDS),
        **{name: values for name, values in named.items() if values},
    }


def rejected(outcome: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    """Return what a run that a person rejected tells: nothing was published, by whom, and why."""
    statement = f"Rejected by {decision['by']}: {decision['reason']} ({outcome['statement']})"
    same = {name: outcome[name] for name in ("format", "dataset", "run_key", "counts", "questions")}
    return {**same, "state": "rejected", "review": decision, "statement": statement}
