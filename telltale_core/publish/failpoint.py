"""Places where a test can kill the process, to show that a crash anywhere leaves no torn version.

Set ``TELLTALE_FAILPOINT`` to one of :data:`FAILPOINTS` and the process receives SIGKILL when it gets there: no
exception, no ``finally``, no flushed buffer. With a signal's name behind it, as in ``before-commit:SIGINT``, the whole
process group receives that signal, as from a terminal. Without the variable a failpoint does nothing.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "TELLTALE_FAILPOINT"
FAILPOINTS = (
    "publish-begin",  # inputs are checked, nothing is written
    "first-blob",  # one blob stands, more are to come
    "published-blobs",  # all shards of kept rows stand
    "quarantine-blobs",  # all shards of quarantined and review rows stand
    "rejected-blob",  # the rejected rows stand
    "report-blob",  # index and report stand
    "before-commit",  # everything is read back; the manifest is not sent
    "after-commit",  # the manifest stands, the caller has not been told
)


def reach(name: str) -> None:
    """Kill this process, or signal its group, if ``TELLTALE_FAILPOINT`` names this point."""
    place, _, number = os.environ.get(VARIABLE, "").partition(":")
    if place != name:
        return
    if number:
        os.killpg(0, signal.Signals[number])
    else:
        os.kill(os.getpid(), signal.SIGKILL)
