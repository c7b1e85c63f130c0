"""Which Prefect server this process asks: another one for a while, with nothing left over for it afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

SAID_WITHIN_S = 30.0


@contextlib.contextmanager
def server_at(url: str, settings: dict[Any, Any]) -> Iterator[None]:
    """Let this process ask the server at ``url``, with these settings of Prefect's, and return to the one before.

    Prefect keeps one worker a process for its events, and that worker keeps the server of its first event. Events that
    a server leaves behind it wait for a server that is gone, and those of later tests behind them.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    _say_all()
    with temporary_settings({PREFECT_API_URL: url, **settings}):
        try:
            yield
        finally:
            _say_all()


def _say_all() -> None:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=SAID_WITHIN_S)
