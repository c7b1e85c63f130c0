"""The command that has people told of what happens."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from deployments.server import own_server
from flows import names
from telltale_core.commands import Outcome
from telltale_core.errors import ConfigError

REVIEW_DAYS = 7.0
SHORTEST_S, LONGEST_DAYS = 10.0, names.WORK_KEPT_DAYS
Block = Annotated[
    str, typer.Option("--block", metavar="TYPE/NAME", help="A notification block of the server, not a webhook.")
]
ReviewDays = Annotated[float, typer.Option("--review-days", help="How long a run waits for a person.")]


def notifications(*, block: Block = "", review_days: ReviewDays = REVIEW_DAYS) -> Outcome:
    """Have people told of runs that failed or wait for them, and end a review that nobody makes.

    TELLTALE_NOTIFY_URL is the address of an incoming webhook (Slack and others): its password, so no option takes it. A
    second time changes what stands.

    \b
    Examples: TELLTALE_NOTIFY_URL=https://hooks.example/... telltale notifications
              telltale notifications --block slack-webhook/alerts --review-days 3
    """
    from datetime import timedelta

    from deployments.notifications import register

    if not SHORTEST_S <= review_days * 86_400 <= LONGEST_DAYS * 86_400:
        raise ConfigError(
            f"--review-days must be from {SHORTEST_S:.0f} seconds to {LONGEST_DAYS:.0f} days, got {review_days} days: "
            "after that the work area no longer holds what the run found"
        )
    url = os.environ.get("TELLTALE_NOTIFY_URL", "")
    with own_server("telltale notifications"):
        registered = [("automation", name) for name in register(url, block, timedelta(days=review_days))]
    nobody = [] if url or block else ["nobody is told: set TELLTALE_NOTIFY_URL, or give --block"]
    return Outcome(data={"registered": registered}, heads=("what", "name"), rows=registered, after=nobody)
