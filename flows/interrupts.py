"""Ctrl-C, SIGTERM and a closed terminal end a command within seconds: in good order first, then by force.

The first signal tells all work to stop (:mod:`telltale_core.stopping`) and raises in the main thread. A thread
ends the process where that takes longer than its grace (:data:`GRACE_S`), or at once on a second Ctrl-C: nothing
holds it up, be it what swallowed the exception, a long call into a library or a server that does not answer.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from telltale_core import stopping
from telltale_core.errors import ConfigError

GRACE_S = 10.0
VARIABLE = "TELLTALE_GRACE_S"  # another grace, for states that a slow disk takes longer for
SAYING_S = 1.0
SHOW_CURSOR = "\x1b[?25h"  # which a bar of progress hides while it stands
SIGNAL_CODE = 128  # a shell's exit code of a process that a signal ended is this and the signal's number


class Terminated(BaseException):
    """SIGTERM or SIGHUP came; like :class:`KeyboardInterrupt`, no handler of ordinary errors catches it."""


@contextlib.contextmanager
def heeding() -> Iterator[None]:
    """Have signals end what the block does; one that was ignored before, as by ``nohup``, stays so."""
    grace_s = _grace_s()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping.forget()
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    for number in stopping.SIGNALS:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, _raise)
    outer = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(receiver, grace_s), daemon=True, name="interrupts").start()
    try:
        yield
    finally:
        if not stopping.requested_by():  # else the thread watches over the process's end, too
            signal.set_wakeup_fd(outer)
            for number, handler in before.items():
                signal.signal(number, handler)
            sender.close()


def _grace_s() -> float:
    value = os.environ.get(VARIABLE, "")
    try:
        grace_s = float(value or GRACE_S)
    except ValueError:
        grace_s = math.nan
    if not 0 < grace_s < threading.TIMEOUT_MAX:
        raise ConfigError(f"{VARIABLE} must be a number of seconds > 0, got {value!r}")
    return grace_s


def exit_code() -> int:
    """Return the exit code of a process that was told to stop: 130 after Ctrl-C, 143 after SIGTERM."""
    return int(SIGNAL_CODE + signal.Signals[stopping.requested_by() or "SIGINT"])


def exit_by_signal() -> None:
    """End the process with the exit code of the signal that told it to stop; to be registered before all else at exit.

    Where a Ctrl-C came while a library ran code of its own, Python remembers it, and would end itself by a signal.
    """
    if stopping.requested_by():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(exit_code())


def _raise(number: int, _frame: FrameType | None) -> None:
    stopping.tell(signal.Signals(number).name)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(signal.Signals(number).name)


def _watch(receiver: socket.socket, grace_s: float) -> None:
    """Read the number of each signal as it comes; end the process when it has had its time."""
    ends_at, presses = float("inf"), 0
    with receiver:
        while True:
            left_s = None if ends_at == float("inf") else max(0.0, ends_at - time.monotonic())
            if not select.select([receiver], [], [], left_s)[0]:
                _end(f"still at work {grace_s:.0f} s after it was told to stop")
            numbers = receiver.recv(64)
            if not numbers:  # the block ended by itself
                return
            for number in (each for each in numbers if each in stopping.SIGNALS):
                stopping.tell(signal.Signals(number).name)
                ends_at = min(ends_at, time.monotonic() + grace_s)
                presses += number == signal.SIGINT
            if presses > 1:
                _end("told twice")


def _end(why: str) -> NoReturn:
    """End the process whatever else fails; children that it started in other ways end when it is gone."""
    try:
        for child in multiprocessing.active_children():
            child.kill()
    finally:
        _say(f"{SHOW_CURSOR if os.isatty(2) else ''}ended by force, {why}; {stopping.committed()}\n")


def _say(message: str) -> NoReturn:
    """Say it on standard error, if that takes it (a pipe that nobody reads does not), and end the process."""

    def write() -> None:
        with contextlib.suppress(OSError):
            os.write(2, message.encode())

    try:
        saying = threading.Thread(target=write, daemon=True)
        saying.start()
        saying.join(SAYING_S)
    finally:
        os._exit(exit_code())
