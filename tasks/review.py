"""A person decides: the form that a run shows in the UI, what was answered, and what the lineage keeps of it."""

from __future__ import annotations

from typing import Any, Literal

from prefect import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import Field

from telltale_core.display.sanitize import clean

KEY = "review"  # a run asks once: resumed, it reads what was answered, also after a crash
MAX_WORDS = 500
_SAID = r"\S"


class Review(RunInput):
    """The form: approve (publish what the verdict kept) or reject (publish nothing), by whom, and why."""

    decision: Literal["approve", "reject"] = Field(
        description="approve: publish what was kept, without what is quarantined or set aside. reject: publish nothing."
    )
    reviewer: str = Field(min_length=1, max_length=200, pattern=_SAID, description="Your name, kept with the decision.")
    reason: str = Field(
        min_length=1, max_length=MAX_WORDS, pattern=_SAID, description="Why, kept in the version's lineage."
    )


def may_ask() -> bool:
    """Return whether this run can wait for a person: it belongs to a deployment, so a worker can take it up again."""
    return deployment.id is not None


def ask(text: str) -> tuple[bool, dict[str, str]]:
    """Return whether a person approved this run, and who, and why; ``text`` (Markdown) is shown above the form.

    The first call suspends the run: its process ends, its worker's slot is free. Once it is resumed the flow runs again
    from its start, finished stages are reused, and this call returns the answer.
    """
    answer: Any = suspend_flow_run(wait_for_input=Review.with_initial_data(description=text), key=KEY)
    return answer.decision == "approve", signed(answer.reviewer, answer.reason)


def signed(reviewer: str, reason: str) -> dict[str, str]:
    """Return who decided and why, as the lineage keeps it: visible characters only, credentials withheld."""
    return {"by": clean(reviewer.strip(), 200), "reason": clean(reason.strip(), MAX_WORDS)}


def rejected(told: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Return what a run that a person rejected tells: nothing was published, by whom, and why."""
    statement = f"Rejected by {known['by']}: {known['reason']} ({told['statement']})"
    return {**told, "state": "rejected", "review": known, "statement": statement}
