"""Keeps credentials, and characters that nobody sees, out of what a run logs and of the messages of its states."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tasks import sanitize
from telltale_core.display.sanitize import visible
from telltale_core.errors import TelltaleError
from telltale_core.redact import redact

P = ParamSpec("P")
R = TypeVar("R")


class Redacting(logging.Formatter):
    """A formatter around another one: the whole line, arguments and traceback included, loses its credentials."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line as the inner formatter makes it, without credentials; what a message holds forges no line."""
        record.message = record.getMessage()
        shown = copy.copy(record)
        shown.msg, shown.args = sanitize.line(record.message), ()
        if record.exc_info and not record.exc_text:
            shown.exc_text = visible(self.inner.formatException(record.exc_info))
        return redact(self.inner.format(shown))


def install() -> int:
    """Put it around the formatter of every handler in this process; return how many. Calling again adds none twice."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    handlers = {handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers}
    changed = [handler for handler in handlers if not isinstance(handler.formatter, Redacting)]
    for handler in changed:
        handler.setFormatter(Redacting(handler.formatter))
    return len(changed)


def withholding(body: Callable[P, R]) -> Callable[P, R]:
    """Return the body of a flow or task that logs without credentials and whose errors hold none.

    An error's text becomes the message of the failed state, which the server keeps. The error stays of its class where
    its text can be changed.
    """

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        install()
        try:
            return body(*args, **kwargs)
        except Exception as error:
            _clean(error)
            if (text := _fit(str(error))) != str(error):  # it makes its text of what it holds elsewhere
                raise TelltaleError(f"{type(error).__name__}: {text}") from None
            raise

    # Prefect would look for the names in the hints here, not where the body is
    run.__signature__ = inspect.signature(body, eval_str=True)  # type: ignore[attr-defined]
    return run


def _fit(text: str) -> str:
    return visible(redact(text))


def _clean(error: BaseException) -> None:
    """Take credentials and what cannot be seen out of an error and of what led to it, in place."""
    visited: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is None or id(one) in visited:
            continue
        visited.add(id(one))
        one.args = tuple(_fit(part) if isinstance(part, str) else part for part in one.args)
        if isinstance(one, OSError):  # these say what they hold beside their arguments
            for name in ("strerror", "filename", "filename2"):
                if isinstance(said := getattr(one, name, None), str):
                    setattr(one, name, _fit(said))
        queue += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
