"""How a process is told to end in good order: work in progress looks here, saves what it has, and raises `Stopped`.

A signal handler only makes a note. What runs decides where it may stop: a training between two steps, once its state
is on the disk; a publication before its commit, never in the middle of it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from telltale_core.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Request:
    """What this process was told; one for the process, as signals are."""

    by: str = ""
    waiting: str = ""  # until the end of a block of in_order
    committed: str = ""


_request = _Request()


def tell(by: str) -> None:
    """Tell all work of this process to stop; ``by`` names the signal, such as ``SIGTERM``."""
    _request.by = _request.by or by


def requested_by() -> str:
    """Return what told this process to stop, or an empty text."""
    return _request.by or _request.waiting


def forget() -> None:
    """Begin anew: nothing was told, nothing was committed."""
    _request.by = _request.waiting = _request.committed = ""


def check(stands: str) -> None:
    """Raise :class:`Stopped` if this process was told to stop; ``stands`` says what is kept."""
    if by := requested_by():
        raise Stopped(f"stopped by {by}: {stands}; the same command or run goes on from there")


def note_commit(sentence: str) -> None:
    """Keep how the last commit stands, for whoever has to say what an interrupted command did."""
    _request.committed = sentence


def committed() -> str:
    """Return how this process's last commit stands, such as ``version 3 of /data/clean was committed before``."""
    return _request.committed or "nothing was published"


@contextlib.contextmanager
def in_order(*numbers: int) -> Iterator[None]:
    """Have these signals (all three by default) wait until the end of the block, whose work is told to stop meanwhile.

    At the end the handler from before is called for the signal that came. Where that is the system's own, which ends
    the process without a word, the work's :class:`Stopped` has said it. Outside of the main thread it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        _request.waiting = signal.Signals(number).name

    before: dict[int, Any] = {number: signal.signal(number, note) for number in numbers or SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        _request.waiting = ""  # who is called now tells anew what is to end
        for number in came[:1]:
            if callable(before[number]):
                before[number](number, None)
