"""A proxy's training on a drop: resumes at its last whole epoch, leaves loss files, a checkpoint and a model."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.digest import sha256_file
from telltale_core.errors import BadInput, ConfigError, Corrupt, OverBudget, Stopped
from telltale_core.label_sets import LabelSets
from telltale_core.losslog import LogPlan, LossLogWriter
from telltale_core.modality.drop_protocols import TrainingSet
from telltale_core.proxy import checkpoint as checkpoints
from telltale_core.proxy.checkpoint import Checkpoint
from telltale_core.proxy.config import SettledConfig
from telltale_core.proxy.fitting import make_ticker, make_trainer
from telltale_core.proxy.hardware import Hardware, running
from telltale_core.proxy.loop import Snapshot, Timings, Trainer
from telltale_core.proxy.progress import ProgressCallback
from telltale_core.proxy.ranks import Team
from telltale_core.proxy.record import ProxyEntry
from telltale_core.proxy.recording import record_answers, record_final, record_logits
from telltale_core.records import write_whole

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a training is made from; ``deadline_at`` is a moment of the monotonic clock.

    ``statistics`` are the modality's, fitted on the drop. ``team``: the processes that share the training.
    """

    drop: TrainingSet
    out: Path
    config: SettledConfig
    hardware: Hardware
    statistics: Mapping[str, Any]
    deadline_at: float = math.inf
    team: Team | None = None

    @property
    def plan(self) -> LogPlan:
        """Return what the finished loss log will hold."""
        return LogPlan(
            drop_digest=self.drop.digest,
            n_samples=len(self.drop.inputs),
            epochs=self.config.epochs,
            snapshots_per_epoch=self.config.snapshots_per_epoch,
        )

    def environment(self) -> dict[str, object]:
        """Return what else the bits of a loss depend on."""
        return {"torch": torch.__version__, **asdict(self.hardware)}


def answers_of(drop: TrainingSet) -> NDArray[Any] | LabelSets:
    """Return the labels or targets that the drop's task learns."""
    answers: NDArray[Any] | LabelSets | None = drop.labels
    if drop.task != "classification":
        answers = drop.targets if drop.task == "regression" else drop.label_sets
    if answers is None:
        raise BadInput("no_answers", f"the drop's task is {drop.task}, but it has no labels or targets to learn")
    return answers


def model_path(out: Path) -> Path:
    """Return where the trained model lies in a training folder."""
    return out / "model-0.safetensors"


def train_proxy(job: Job, progress: ProgressCallback | None = None) -> Checkpoint:
    """Return the final checkpoint of the proxy, trained from where it stands.

    A kill at any moment costs at most the epoch in progress: an epoch's loss file is written whole, then the
    checkpoint, and a resumed run writes the same bytes (on a CPU with the same torch and threads). Told to stop
    (:mod:`telltale_core.stopping`), or past its deadline, it saves the step it is at and raises: that costs nothing.
    """
    with running(job.hardware):
        trainer = trainer_of(job)
        writer = LossLogWriter(job.out / "losslog", job.plan)
        state, snapshots = resume(job, trainer, writer)
        if "logits" in job.config.record:
            trainer.on_outputs = lambda epoch, outputs_NK: record_logits(outputs_NK, job.out, epoch, job.drop.digest)
        ticker = make_ticker(trainer, progress)
        for epoch in range(state.epoch, job.config.epochs):
            try:
                trainer.run_epoch(epoch, ticker, snapshots.append)
            except (Stopped, OverBudget):
                _save(job, trainer, _state(job, trainer, state.log_files, snapshots=snapshots), snapshots)
                raise
            if epoch == job.config.early_epoch and "answers" in job.config.record and job.drop.task == "classification":
                record_answers(trainer.outputs(), job.out, job.drop.digest)
            began = time.perf_counter()
            step_T = np.array([snapshot.step for snapshot in snapshots], dtype=np.int32)
            losses_NT = np.stack([snapshot.log_loss for snapshot in snapshots], axis=1)
            digest = writer.write_epoch(epoch, step_T, losses_NT)
            trainer.timings.write_s += time.perf_counter() - began
            began = time.perf_counter()
            state = _state(job, trainer, [*state.log_files, digest], score=snapshots[-1].score)
            _save(job, trainer, state)
            snapshots = []
            trainer.timings.write_s += time.perf_counter() - began
        record_final(
            trainer.net,
            trainer.data,
            job.hardware,
            out=job.out,
            kinds=job.config.record,
            drop_digest=job.drop.digest,
        )
        write_whole(model_path(job.out), checkpoints.tensor_bytes(trainer.net.state_dict(), {}))
    return state


def trainer_of(job: Job) -> Trainer:
    """Return a trainer before its first step."""
    trainer = make_trainer(
        job.drop.inputs,
        answers_of(job.drop),
        task=job.drop.task,
        num_classes=job.drop.num_classes,
        config=job.config,
        hardware=job.hardware,
        statistics=job.statistics,
        seed=job.config.seed,
        modality=job.drop.modality,
        deadline_at=job.deadline_at,
    )
    trainer.team = job.team
    return trainer


def _save(job: Job, trainer: Trainer, state: Checkpoint, snapshots: Sequence[Snapshot] = ()) -> None:
    tensors = {f"snapshot.{i}": torch.from_numpy(snapshot.log_loss) for i, snapshot in enumerate(snapshots)}
    checkpoints.save(checkpoints.checkpoint_path(job.out), state, trainer.state() | tensors)


def resume(job: Job, trainer: Trainer, writer: LossLogWriter) -> tuple[Checkpoint, list[Snapshot]]:
    """Return the state to go on from, put into the trainer, and the snapshots of an epoch that was begun.

    It is the beginning, where nothing sound stands. Raises :class:`ConfigError` for a checkpoint of another drop or
    recipe: resuming it would mix two trainings.
    """
    fresh = _state(job, trainer, [])
    path = checkpoints.checkpoint_path(job.out)
    if not path.is_file():
        return fresh, []
    try:
        state, tensors = checkpoints.load(path)
    except Corrupt as error:
        logger.warning("the training starts again: %s", error)
        return fresh, []
    if (state.drop_digest, state.recipe_digest) != (fresh.drop_digest, fresh.recipe_digest):
        raise ConfigError(f"{path} is of another drop or recipe; train into another folder, or remove {job.out}")
    if writer.epochs_standing(state.log_files) < state.epoch:
        logger.warning("the training starts again: its loss files do not all stand as written")
        return fresh, []
    if state.environment != fresh.environment:
        logger.warning(
            "the training resumes under %s what ran under %s: its losses go on, not bit for bit as one run would",
            fresh.environment, state.environment,
        )  # fmt: skip
    trainer.load_state(tensors, state.step)
    trainer.timings = Timings(**state.timings)
    logger.info("the training resumes after epoch %d of %d, step %d", state.epoch, job.config.epochs, state.step)
    moments = zip(state.snapshot_steps, state.snapshot_scores, strict=True)
    return state, [
        Snapshot(epoch=state.epoch, step=step, log_loss=tensors[f"snapshot.{i}"].numpy(), score=score)
        for i, (step, score) in enumerate(moments)
    ]


def _state(
    job: Job,
    trainer: Trainer,
    log_files: list[str],
    *,
    snapshots: Sequence[Snapshot] = (),
    score: float = math.nan,
) -> Checkpoint:
    return Checkpoint(
        epoch=len(log_files),
        step=trainer.step,
        drop_digest=job.drop.digest,
        recipe_digest=job.config.recipe_digest(),
        environment=job.environment(),
        log_files=log_files,
        score=score,
        timings=asdict(trainer.timings),
        snapshot_steps=[snapshot.step for snapshot in snapshots],
        snapshot_scores=[snapshot.score for snapshot in snapshots],
    )


def proxy_record(job: Job) -> ProxyEntry:
    """Return what the stage's record says of the trained proxy."""
    state = checkpoints.load_record(checkpoints.checkpoint_path(job.out))
    path = model_path(job.out)
    return {
        "member": 0,
        "seed": job.config.seed,
        "train_score": state.score,
        "timings": {name: round(value, 3) for name, value in state.timings.items()},
        "model_file": path.name,
        "model_sha256": sha256_file(path),
    }
