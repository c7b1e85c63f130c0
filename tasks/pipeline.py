"""The stages of the pipeline as Prefect tasks: one factory makes them all.

Whether a result stands, the work area alone says: Prefect keeps none. A task whose result stood ends in the state
*Cached*; one that had to compute it, or published, in *Completed*.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.utilities.annotations import quote

from tasks import keys, limits, policy, redaction, story
from tasks.fence import Fence
from tasks.progress import watch
from tasks.train_elsewhere import retrain_elsewhere, train_elsewhere
from telltale_core.config import from_dict
from telltale_core.scale import ScaleConfig
from telltale_core.stages import STAGES, Context, Record, Stage, run_stage


def task_of(stage: Stage) -> Task[..., Any]:
    """Return the task that runs a stage; it is named as the stage, and returns its record.

    ``deployment`` has a leave-out retraining done by its runs. What does not stand in the work area is written to
    ``destination``, by one run at a time.
    """

    def run(
        upstream: Record | str,
        work: str,
        settings: dict[str, Any],
        *,
        deployment: str = "",
        destination: str = "",
        scale: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Record | State[Record]:
        turn = contextlib.nullcontext() if stage.folder else limits.one_publication(destination)
        with turn, Fence(watch(keys.progress(stage.name))) as fence:
            retrain = retrain_elsewhere(work, deployment) if deployment else None
            means = from_dict(ScaleConfig, scale or {}, "scale")
            context = Context(destination=destination, progress=fence, retrain=retrain, scale=means, **options)
            return policy.shown(run_stage(stage, upstream, work, settings, context))

    run.__name__ = run.__qualname__ = stage.name
    return Task(redaction.withholding(run), name=stage.name, **policy.STAGE)


TASKS: dict[str, Task[..., Any]] = {name: task_of(stage) for name, stage in STAGES.items()}


class Runner:
    """Runs stages as tasks of the flow run at work, by the means of ``scale``; trains by runs of ``deployment``."""

    def __init__(
        self, work: str, destination: str = "", deployment: str = "", scale: Mapping[str, Any] | None = None
    ) -> None:
        self.work, self.destination = work, destination
        self.options = {"destination": destination, "deployment": deployment, "scale": quote(dict(scale or {}))}
        self.before: list[State[Any]] = []  # the last complete stage's: the UI's graph of the run is a chain
        self.tasks = {**TASKS, "train": train_elsewhere} if deployment else TASKS

    def __call__(self, stage: Stage, upstream: Record | str, settings: Mapping[str, Any], **options: Any) -> Record:
        """Return the stage's record; raises what the stage raised."""
        task = self.tasks[stage.name]
        call_options = {**self.options, **options, "wait_for": self.before, "return_state": True}
        state: Any = task(
            quote(upstream), self.work, quote(dict(settings)), **call_options
        )  # else each value is an edge
        record: Record = state.result()
        self.before = [state.model_copy(update={"data": True})]  # its data would be edges, too
        if stage.name == "train":
            story.trained(record, self.work)
        return record
