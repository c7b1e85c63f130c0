"""Stage 3 as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from telltale_core import stages


@task(name="spectrum", **policy.CACHED)
@redaction.withholding
def spectrum(upstream: stages.Record, work: str, settings: dict[str, Any], key: str) -> stages.Record:
    """Return the record of the spectra of the loss log of ``upstream``."""
    return stages.spectrum(upstream, work, settings, key=key)
