"""How every command ends: JSON or lines for people, one line for an error, a stated exit code.

Ids, labels and file names are a contributor's words: nothing of them reaches a terminal without its control characters
written out (``\\x1b``), in results, logs and errors alike.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import os
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import interrupts
from telltale_core import stopping
from telltale_core.commands import Outcome
from telltale_core.errors import CommitUnknown, ConfigError, Conflict, TelltaleError
from telltale_core.redact import redact

if TYPE_CHECKING:
    from rich.console import Console

OK, ERROR, USAGE, REVIEW, CONFLICT = 0, 1, 2, 3, 4
EXIT_CODES = (
    "Exit codes: 0 ok, 1 error, 2 usage or setting, 3 needs review (nothing was published), "
    "4 conflict or unknown commit (run again), 130 interrupted, 143 terminated."
)
OURS = ("telltale_core", "tasks", "flows", "deployments")
silent: ContextVar[bool] = ContextVar("silent", default=False)
"""Whether the command that runs now shows no training: it was asked for one JSON object."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: str) -> str:
    """Return ``text`` with what cannot be seen, or would move the cursor or its neighbours, written out as escapes."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSEEN else char for char in text
    )


def command(function: Callable[..., Outcome], *, serves: bool = False) -> Callable[..., None]:
    """Return the function as a typer command: it prints its outcome (``--json``, ``--debug``), exits by its code.

    A signal ends it within seconds, unless it ``serves``: then it heeds signals itself.
    """

    @functools.wraps(function)
    def run(*args: Any, as_json: bool, debug: bool, **kwargs: Any) -> None:
        token = silent.set(as_json)
        try:
            # with --json, what a library prints is no part of the one JSON object
            quiet = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
            with contextlib.nullcontext() if serves else interrupts.heeding(), listening(debug=debug), quiet:
                outcome = function(*args, **kwargs)
        except BaseException as error:  # the one place where errors and signals become exit codes
            if stopping.requested_by() or isinstance(error, KeyboardInterrupt):  # whatever the signal was turned into
                raise typer.Exit(_interrupted(as_json=as_json)) from None
            if not isinstance(error, Exception):
                raise
            code = exit_code(error)
            _fail(error, code, as_json=as_json, debug=debug, serves=serves)
            raise typer.Exit(code) from None
        finally:
            silent.reset(token)
        show(outcome, as_json=as_json)
        raise typer.Exit(outcome.code)

    extra = {
        "as_json": Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")],
        "debug": Annotated[bool, typer.Option("--debug", help="Show tracebacks and Prefect's own log lines.")],
    }
    own = inspect.signature(function, eval_str=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, keyword, default=False, annotation=kind) for name, kind in extra.items()]
    run.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), *added], return_annotation=None
    )
    run.__annotations__ = {name: parameter.annotation for name, parameter in own.parameters.items()} | extra
    return run


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error, by its class."""
    if isinstance(error, ConfigError):
        return USAGE
    return CONFLICT if isinstance(error, Conflict | CommitUnknown) else ERROR


def _interrupted(*, as_json: bool) -> int:
    """Say what stands; return the exit code. Nobody may be there to hear: the terminal is closed, perhaps."""
    code, message = interrupts.exit_code(), f"interrupted; {stopping.committed()}"
    with contextlib.suppress(OSError):
        if as_json:
            typer.echo(json.dumps({"error": {"class": "Stopped", "message": message}, "exit_code": code}))
        typer.echo(f"{safe(message)}; the same command continues where this one stopped", err=True)
    return code


def _fail(error: Exception, code: int, *, as_json: bool, debug: bool, serves: bool) -> None:
    """Say what went wrong; of a command that serves, the log is all that is left of what nobody expected."""
    expected = isinstance(error, TelltaleError)
    message = str(error) or type(error).__name__
    if not expected:
        message = "; ".join(f"{type(one).__name__}: {one}" for one in _single(error))
        if not debug:
            message = f"unexpected {message} (run again with --debug for the traceback)"
    message = redact(message)
    if debug or (serves and not expected):
        typer.echo(redact("".join(traceback.format_exception(error))), err=True)
    if as_json:
        typer.echo(json.dumps({"error": {"class": type(error).__name__, "message": message}, "exit_code": code}))
    typer.echo(f"error: {safe(' '.join(message.splitlines()))}", err=True)


def _single(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors of which a group is made, however deep; any other error alone."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _single(one)
    else:
        yield error


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print an outcome to standard output."""
    if as_json:
        typer.echo(json.dumps(outcome.data, indent=1))
        return
    for line in outcome.lines:
        typer.echo(safe(line))
    if outcome.heads:
        _table(outcome.heads, outcome.rows)
    for line in outcome.after:
        typer.echo(safe(line))


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(safe(str(cell)), overflow="fold") for cell in row))
    width = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, width=width, highlight=False).print(table)


@functools.cache
def stderr() -> Console:
    """Return the console on standard error: what goes through it stands above a training's bar, never in it."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as one safe line; its traceback only with --debug."""
        from rich.text import Text

        try:
            stderr().print(Text(safe(record.getMessage())), soft_wrap=True)
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)


class _NotTold(logging.Filter):
    """Drops from Prefect's console what this command line says itself: our own lines, and a failed run's traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name.split(".")[0] in OURS
        return not ours and not record.name.startswith(("prefect.flow_runs", "prefect.task_runs", "prefect.engine"))


@contextlib.contextmanager
def listening(*, debug: bool) -> Iterator[None]:
    """Show our own log lines on standard error; set Prefect up, before it is imported, for a quiet local run."""
    for name, value in {
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(OURS),
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_LEVEL": "DEBUG" if debug else "INFO",
    }.items():
        os.environ.setdefault(name, value)
    handler = _Lines()
    loggers = [logging.getLogger(name) for name in OURS]
    for logger in loggers:
        logger.setLevel(logging.DEBUG if debug else logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def quieten() -> None:
    """Take from Prefect's console what is told already; call it once Prefect is imported."""
    if logging.getLogger(OURS[0]).level == logging.DEBUG:  # --debug
        return
    for handler in logging.getLogger().handlers:
        if type(handler).__module__.startswith("prefect."):
            handler.addFilter(_NotTold())
