"""Training progress as people see it: an artifact in the UI, and whoever listens on this machine (the terminal)."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from telltale_core.proxy import Progress

log = logging.getLogger(__name__)
EVERY_S = 5.0
REST_S = 60.0  # after a failure

listener: ContextVar[Callable[[Progress], None] | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def listening_to(hear: Callable[[Progress], None] | None) -> Iterator[None]:
    """Have ``hear`` told of the trainings of this block, and of none after it: what it writes to may be closed."""
    token = listener.set(hear)
    try:
        yield
    finally:
        listener.reset(token)


def watch(key: str) -> Callable[[Progress], None]:
    """Return a callback for the training loop; it shows progress every few seconds and never raises."""
    shown = _Artifact(key)

    def see(progress: Progress) -> None:
        hear = listener.get()
        if hear is not None:
            try:
                hear(progress)
            except Exception as error:  # noqa: BLE001 - a closed terminal ends no training
                log.warning("no more progress here: %s", type(error).__name__)
                listener.set(None)
        shown.see(progress)

    return see


class _Artifact:
    """A progress artifact, made late and changed rarely; after a failure it rests: a server may be away."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.artifact: UUID | None = None
        self.next_s = 0.0
        self.resting = False

    def see(self, progress: Progress) -> None:
        share = progress.step / progress.steps
        if time.monotonic() < self.next_s and (share < 1 or self.resting):
            return
        self.next_s = time.monotonic() + EVERY_S
        text = (
            f"epoch {progress.epoch} of {progress.epochs}, loss {progress.loss:.4f}, {progress.remaining_s:.0f} s left"
        )
        try:
            self._show(100 * share, text)
            self.resting = False
        except Exception as error:  # noqa: BLE001 - never at the cost of the training
            self.resting, self.next_s = True, time.monotonic() + REST_S
            log.warning("no progress in the UI for a while: %s", type(error).__name__)

    def _show(self, percent: float, description: str) -> None:
        if self.artifact is None:
            artifact: Any = create_progress_artifact(percent, key=self.key, description=description)
            self.artifact = artifact
        else:
            update_progress_artifact(self.artifact, percent, description=description)
