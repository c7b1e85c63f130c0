"""The command line. Heavy libraries are imported by the command that needs them, so ``--help`` is quick."""

from __future__ import annotations

import atexit
from collections.abc import Callable

import typer

from flows import cli_events, cli_metrics, cli_review, cli_run, cli_stages, cli_versions, extensions
from flows.console import EXIT_CODES, command
from flows.interrupts import exit_by_signal
from telltale_core.commands import Outcome

HELP = """Cleanses training data of backdoor poison: finds samples by how their losses move together, quarantines
them, and publishes the rest as an immutable version.

\b
  telltale demo                                  see it happen on handwritten digits
  telltale cleanse ./drop --out ./clean          a folder, Parquet, CSV/JSONL or .npy drop
  telltale cleanse s3://raw/drop7 --out s3://clean/signs
  telltale log ./clean                           what was published
"""

app = typer.Typer(
    name="telltale",
    help=HELP,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

COMMANDS: dict[str, Callable[..., Outcome]] = {
    "demo": cli_run.demo,
    "cleanse": cli_run.cleanse,
    "ingest": cli_stages.ingest,
    "train": cli_stages.train,
    "spectrum": cli_stages.spectrum,
    "cluster": cli_stages.cluster,
    "report": cli_review.report,
    "publish": cli_stages.publish,
    "log": cli_versions.log,
    "why": cli_versions.why,
    "export": cli_versions.export,
    "verify": cli_versions.verify,
    "restore": cli_versions.restore,
    "reviews": cli_review.reviews,
    "approve": cli_review.approve,
    "reject": cli_review.reject,
    "bridge": cli_events.bridge,
    "metrics": cli_metrics.metrics,
    "doctor": cli_run.doctor,
}
SERVING = ("bridge", "metrics", "worker")
COMMANDS |= {name: extension for name, extension in extensions.commands().items() if name not in COMMANDS}
for _name, _function in COMMANDS.items():
    app.command(_name, epilog=EXIT_CODES)(command(_function, serves=_name in SERVING))


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and stop.")
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("telltale-cleanse"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; the process ends with a stated exit code."""
    atexit.register(exit_by_signal)  # early: the first to be registered is the last to be called
    app()


if __name__ == "__main__":
    main()
