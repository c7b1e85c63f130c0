"""The flow on the GPU pool: one training of a drop's proxy and nothing else, so that no GPU waits for CPU work."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.parameters import ALONE, Scale, Training
from tasks import keys, policy, redaction
from tasks.leave_out import leave_out
from tasks.pipeline import Runner
from telltale_core.config import to_dict
from telltale_core.stages import Record, train


def run_name() -> str:
    """Return what the UI calls a run, such as ``train signs/2026-11-22``."""
    parameters = flow_run.parameters
    what = "leave-out" if parameters.get("left_out") else "train"
    return f"{what} {keys.own_subject() or policy.drop_name(parameters['upstream'])}"


@flow(name="train-proxy", flow_run_name=run_name, **policy.RESULTS)
@redaction.withholding
def train_proxy(
    upstream: dict[str, Any],
    work: str,
    settings: Training,
    left_out: str = "",
    subject: str = "",  # noqa: ARG001 - the run is called after it
    *,
    scale: Scale = ALONE,
) -> Record:
    """Return the record of the training on the drop of ``upstream``; it goes on at the last finished epoch.

    Args:
        upstream: The record of the ingested drop; for a leave-out retraining, of its spectra.
        work: The work area that this pool shares with the one of the waiting run.
        settings: Settings of the training.
        left_out: The key of a verdict's leave-out retraining, which learns without some samples; empty: learn all.
        subject: What the run is called after: dataset and drop.
        scale: How many processes share the training, and where they are.

    """
    if left_out:
        return leave_out(upstream, work, left_out)
    return Runner(work, scale=to_dict(scale))(train, upstream, to_dict(settings))
