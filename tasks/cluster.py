"""Stage 4 as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from tasks.fence import Fence
from tasks.progress import watch
from telltale_core import stages


@task(name="cluster", **policy.CACHED)
@redaction.withholding
def cluster(upstream: stages.Record, work: str, settings: dict[str, Any], key: str) -> stages.Record:
    """Return the record of the verdict on the spectra of ``upstream``."""
    with Fence(watch("cluster")) as fence:
        return stages.cluster(upstream, work, settings, key=key, progress=fence)
