"""Stage 4 as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from tasks.fence import Fence
from tasks.progress import watch
from tasks.train_elsewhere import look_elsewhere
from telltale_core import stages


@task(name="cluster", **policy.CACHED)
@redaction.withholding
def cluster(
    upstream: stages.Record, work: str, settings: dict[str, Any], key: str, deployment: str = ""
) -> stages.Record:
    """Return the record of the verdict on the spectra of ``upstream``; a second look is trained by ``deployment``."""
    elsewhere = look_elsewhere(work, deployment) if deployment else None
    with Fence(watch("cluster")) as fence:
        return stages.cluster(upstream, work, settings, key=key, progress=fence, elsewhere=elsewhere)
