"""Stage 2 as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from tasks.fence import Fence
from tasks.progress import watch
from telltale_core import stages


@task(name="train", **policy.CACHED)
@redaction.withholding
def train(upstream: stages.Record, work: str, settings: dict[str, Any], key: str) -> stages.Record:
    """Return the record of the proxy training on the drop of ``upstream``; a retry costs at most one epoch."""
    with Fence(watch("train")) as fence:
        return stages.train(upstream, work, settings, key=key, progress=fence)
