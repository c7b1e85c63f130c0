"""Places where a test can kill the process, to show that a crash anywhere leaves no torn version.

Set ``TELLTALE_FAILPOINT`` to one of :data:`FAILPOINTS` and the process receives SIGKILL when it gets there: no
exception, no ``finally``, no flushed buffer. Without the variable a failpoint does nothing.
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
    """Kill this process if ``TELLTALE_FAILPOINT`` names this point."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
