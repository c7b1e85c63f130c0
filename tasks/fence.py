"""Stops work that the server has given up: a run that was declared crashed may be at work elsewhere by now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from telltale_core.errors import TelltaleError
from telltale_core.proxy import Progress

log = logging.getLogger(__name__)
LOOK_EVERY_S = 20.0


class GivenUp(TelltaleError):
    """The server ended this run while it was at work; it leaves the work to whoever has it now."""


class Fence:
    """Wraps a progress callback: it raises :class:`GivenUp` once the server says that the run ended.

    A thread asks, so that a server that is away holds nothing up; what cannot be asked goes on.
    """

    def __init__(self, inner: Callable[[Progress], None], run: UUID | str | None = None) -> None:
        self.inner = inner
        self.run = run or flow_run.id
        self.ended = threading.Event()
        self._leave = threading.Event()

    def __enter__(self) -> Fence:
        if self.run:
            threading.Thread(target=self._ask, daemon=True, name="fence").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()

    def __call__(self, progress: Progress) -> None:
        """Hand the progress on, or stop."""
        if self.ended.is_set():
            raise GivenUp("the server ended this run: the training stops here")
        self.inner(progress)

    def _ask(self) -> None:
        while not self._leave.wait(LOOK_EVERY_S):
            try:
                with get_client(sync_client=True) as client:
                    server_run = client.read_flow_run(UUID(str(self.run)))
            except httpx.HTTPError:
                continue
            except Exception as error:  # noqa: BLE001 - a thread that fails must not pass for a verdict
                log.warning("this run's state cannot be read: %s", type(error).__name__)
                return
            if server_run.state is not None and server_run.state.is_final():
                self.ended.set()
                return
