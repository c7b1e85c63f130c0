"""Keeps credentials out of what a run logs and of the messages of its states: Prefect knows only its own API key."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

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
        """Return the line as the inner formatter makes it, without credentials."""
        return redact(self.inner.format(record))


def install() -> int:
    """Put it around the formatter of every handler in this process; return how many. Calling again adds none twice."""
    known = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    handlers = {handler for logger in known if isinstance(logger, logging.Logger) for handler in logger.handlers}
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
            if (text := redact(str(error))) != str(error):  # it makes its text of what it holds elsewhere
                raise TelltaleError(f"{type(error).__name__}: {text}") from None
            raise

    return run


def _clean(error: BaseException) -> None:
    """Take credentials out of an error and of what led to it, in place."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.args = tuple(redact(part) if isinstance(part, str) else part for part in one.args)
        if isinstance(one, OSError):  # these say what they hold beside their arguments
            for name in ("strerror", "filename", "filename2"):
                if isinstance(said := getattr(one, name, None), str):
                    setattr(one, name, redact(said))
        queue += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
