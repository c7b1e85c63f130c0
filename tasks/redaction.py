"""Keeps credentials out of the logs of a run: Prefect's own filter knows only its API key."""

from __future__ import annotations

import logging

from telltale_core.redact import redact


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
