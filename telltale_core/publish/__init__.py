"""Stage 5: publishes the kept rows of a drop as an immutable version, and sets the rest aside, with reasons.

The protocol, what it guarantees and how to read a version: ``README.md`` beside this file.
"""

from telltale_core.publish.appending import appended_line
from telltale_core.publish.explain import Explanation, why
from telltale_core.publish.fiftyone import export_fiftyone
from telltale_core.publish.finding import export
from telltale_core.publish.gc import GcReport, gc
from telltale_core.publish.history import log, read_version
from telltale_core.publish.manifest import Version, make_run_key
from telltale_core.publish.plan import PublishConfig
from telltale_core.publish.protocol import publish
from telltale_core.publish.repairing import Repair, Sources, repair
from telltale_core.publish.restoring import restore
from telltale_core.publish.verifying import VerifyReport, verify

__all__ = [
    "Explanation",
    "GcReport",
    "PublishConfig",
    "Repair",
    "Sources",
    "VerifyReport",
    "Version",
    "appended_line",
    "export",
    "export_fiftyone",
    "gc",
    "log",
    "make_run_key",
    "publish",
    "read_version",
    "repair",
    "restore",
    "verify",
    "why",
]
