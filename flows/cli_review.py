"""Runs that wait for a person: list them, approve or reject one. The UI's form decides the same."""

from __future__ import annotations

import dataclasses
import getpass
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from flows.console import quieten
from flows.options import Config, Set, Work
from telltale_core.commands import Outcome

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the address of its page in the UI, or its name.")]
ReportOf = Annotated[
    str, typer.Argument(metavar="SRC", help="A drop; or a run: its id, the address of its page, or its name.")
]
Show = Annotated[bool, typer.Option("--show/--no-show", help="Open the report of a run in the browser.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision, and in the version's lineage.")]
By = Annotated[str | None, typer.Option("--by", help="Who; your user name by default.")]
Release = Annotated[
    list[str] | None,
    typer.Option("--release", metavar="ID", help="Publish this sample, though it is held back; or 'group 3'."),
]
Hold = Annotated[
    list[str] | None,
    typer.Option("--hold", metavar="ID", help="Quarantine this sample, though it is kept; or 'group 3'."),
]
SAY = {
    "resumed": "the run goes on with this decision as soon as a worker takes it up: {run}",
    "started": "a new run publishes it as soon as a worker takes it up: {run}",
    "published": "published from here",
    "rejected": "nothing is published; the run says who rejected it, and why: {run}",
}


def reviews() -> Outcome:
    """List the runs that wait for a person.

    \b
    Example: telltale reviews
    """
    from flows.review import waiting

    quieten()
    runs = waiting()
    lines = [] if runs else ["no run waits for a person"]
    heads = ("run", "name", "since", "why") if runs else ()
    rows = [(run.id, run.name, run.since, run.message) for run in runs]
    return Outcome(data=[dataclasses.asdict(run) for run in runs], lines=lines, heads=heads, rows=rows)


def report(
    source: ReportOf,
    *,
    work: Work = "runs",
    config: Config = None,
    settings: Set,
    show: Show = True,
) -> Outcome:
    """Write the report on a drop: one HTML file that opens from disk. Of a run on the server, fetch it and open it.

    \b
    Examples: telltale report ./drop
              telltale report 0e9c4a6e-5d5c-4f6e-9c53-1a2b3c4d5e6f
              telltale report "cleanse signs/drop7"
    """
    from flows.cli_stages import report as write_report
    from flows.review_report import fetch_report, names_a_run

    if not names_a_run(source):
        return write_report(source, work=work, config=config, settings=settings)
    quieten()
    file, address = fetch_report(source)
    if show:
        import webbrowser

        webbrowser.open(file.as_uri())
    return Outcome(data={"file": str(file), "address": address}, lines=[f"report: {file}", f"it lies at {address}"])


def approve(run: Run, *, reason: Reason, by: By = None, release: Release = None, hold: Hold = None) -> Outcome:
    """Let a run that waits for a person publish what its verdict kept. Read its report first.

    With --release and --hold, again for each, single samples or groups go another way than the verdict's.

    \b
    Examples: telltale approve 0e9c4a6e-5d5c-4f6e-9c53-1a2b3c4d5e6f --reason "a new camera, not a trigger"
              telltale approve "cleanse signs/drop7" --reason "looked at all" --release "group 3" --hold cat-0042
    """
    return _decide(run, by, reason, approve=True, release=release or (), hold=hold or ())


def reject(run: Run, *, reason: Reason, by: By = None) -> Outcome:
    """End a run that waits for a person without publishing anything.

    \b
    Example: telltale reject 0e9c4a6e-5d5c-4f6e-9c53-1a2b3c4d5e6f --reason "a trigger in class 7"
    """
    return _decide(run, by, reason, approve=False)


def _decide(
    run: str, by: str | None, reason: str, *, approve: bool, release: Sequence[str] = (), hold: Sequence[str] = ()
) -> Outcome:
    from flows.cli_run import run_flow
    from flows.cli_stages import question_lines
    from flows.review import decide
    from telltale_core.errors import Conflict
    from telltale_core.publish.gate import CHANGED

    quieten()
    published: list[str] = []

    def in_place(parameters: dict[str, Any]) -> None:
        outcome, _ = run_flow(
            parameters["source"],
            parameters["destination"],
            parameters.get("work", "runs"),
            parameters.get("config") or {},
            approve=parameters["approve"],
            reviewer=parameters["reviewer"],
            reason=parameters["reason"],
            release=parameters.get("release"),
            hold=parameters.get("hold"),
        )
        if outcome["state"] != "published":
            raise Conflict(
                f"{CHANGED}: {'; '.join(question_lines(outcome['questions']))}; run it again, and look again"
            )
        published.append(f"this run is version {outcome['version']} of {outcome['dataset']}")

    who = by or getpass.getuser()
    outcome = decide(run, approve=approve, by=who, reason=reason, in_place=in_place, release=release, hold=hold)
    return Outcome(data=outcome, lines=[SAY[outcome["state"]].format(run=outcome["run"]), *published])
