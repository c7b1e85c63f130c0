"""The flow on the GPU pool: one training of a drop's proxy and nothing else, so that no GPU waits for CPU work."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.parameters import Training
from tasks import policy, redaction
from tasks.look import look
from tasks.train import train
from telltale_core.config import to_dict
from telltale_core.stages import Record


def run_name() -> str:
    """Return what the UI calls a run, such as ``train drop 3fa94c1``."""
    return f"train drop {flow_run.parameters['upstream']['keys']['ingest'][:7]}"


@flow(name="train-proxy", flow_run_name=run_name)
@redaction.withholding
def train_proxy(upstream: dict[str, Any], work: str, settings: Training, left_out: str = "") -> Record:
    """Return the record of the training on the drop of ``upstream``; it goes on at the last finished epoch.

    Args:
        upstream: The record of the ingested drop; for a second look, of its spectra.
        work: The work area that this pool shares with the one of the waiting run.
        settings: Settings of the training.
        left_out: The key of a verdict's second look, which learns without some samples; empty: learn all.

    """
    if left_out:
        return look(upstream, work, left_out)
    return policy.run(train, upstream, work, to_dict(settings))
