"""The train stage: a drop in, a loss log out."""

from __future__ import annotations

import logging
import math
import os
import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from telltale_core import stopping
from telltale_core.config import to_dict
from telltale_core.digest import sha256_file
from telltale_core.errors import ConfigError, Corrupt
from telltale_core.losslog import Alignment, LossLog, LossLogWriter
from telltale_core.modality import modality_named
from telltale_core.modality.drop_protocols import TrainingSet
from telltale_core.modality.local_model import by_content
from telltale_core.processors import allowed
from telltale_core.proxy.budget import require_disk, require_memory
from telltale_core.proxy.checkpoint import checkpoint_path, load_record
from telltale_core.proxy.config import ProxyConfig, SettledConfig
from telltale_core.proxy.fitting import augments, deadline, require_samples
from telltale_core.proxy.hardware import Hardware, resolve_hardware
from telltale_core.proxy.job import Job, answers_of, proxy_record, train_proxy
from telltale_core.proxy.loop import snapshot_steps
from telltale_core.proxy.models import build, resolve
from telltale_core.proxy.objective import Objective, make_objective
from telltale_core.proxy.predict import READING
from telltale_core.proxy.progress import ProgressCallback
from telltale_core.proxy.ranks import Team
from telltale_core.proxy.record import TRAIN, Train, read_train_record
from telltale_core.proxy.recording import recording_disk_bytes
from telltale_core.records import sweep_temporaries, write_json

logger = logging.getLogger(__name__)


def train(
    drop: TrainingSet,
    out: Path,
    config: ProxyConfig | None = None,
    progress: ProgressCallback | None = None,
    team: Team | None = None,
) -> LossLog:
    """Return the complete loss log of a drop, trained into the folder ``out``; resumes what a killed run left there.

    A folder that is complete is read, not trained again. ``team`` shares the work (``helping.py``). Raises
    :class:`ConfigError` when ``out`` holds the training of another drop or recipe, :class:`OverBudget` before the start
    when memory or disk will not do and during it when the deadline passes, :class:`Stopped` when a signal ends it (the
    signal is handed on then), :class:`TrainingDiverged`, :class:`NothingLearnt`, and :class:`Misaligned` when the
    finished log's rows do not follow their ids.
    """
    config = (config or ProxyConfig()).settled(drop.modality)
    if (out / TRAIN.file).is_file():
        return _standing(drop, out, config)
    began, recipe = time.monotonic(), config.recipe_digest()
    require_samples(drop.inputs, answers_of(drop))
    job = Job(
        drop=drop,
        out=out,
        config=config,
        hardware=_hardware(config, out),
        statistics=modality_named(drop.modality).statistics_for(config.model, drop),
        deadline_at=deadline(config),
        team=team,
    )
    _prepare(job)
    writer = LossLogWriter.create(out / "losslog", job.plan, drop.sample_ids)
    if team is not None:
        team.begin(
            {
                "drop_digest": drop.digest,
                "recipe_digest": recipe,
                "statistics": dict(job.statistics),
                "precision": job.hardware.precision,
                "threads": job.hardware.threads,
            }
        )
    with stopping.in_order():
        train_proxy(job, progress)
    if config.recipe_digest() != recipe:
        raise ConfigError(f"{config.model} changed while the proxy was trained; train again, into another folder")
    writer.finish()
    log = LossLog.open(out / "losslog", drop=drop)
    objective = objective_of(drop, config)
    alignment = log.check_alignment(errors=objective.errors, guess=objective.guess())
    _write_record(job, log, alignment, time.monotonic() - began)
    shutil.rmtree(out / "checkpoint")
    return log


def _hardware(config: SettledConfig, out: Path) -> Hardware:
    """Return what the training runs on: one that goes on has the threads that it began with, unless they are set."""
    hardware, path = resolve_hardware(config), checkpoint_path(out)
    if config.threads or os.environ.get("OMP_NUM_THREADS") or not path.is_file():
        return hardware
    try:
        began_with = int(load_record(path).environment["threads"])
    except (Corrupt, KeyError, ValueError):  # resume() says what is wrong, and starts again
        return hardware
    return replace(hardware, threads=min(began_with, allowed()))


def _standing(drop: TrainingSet, out: Path, config: SettledConfig) -> LossLog:
    """Return the log of a complete folder, if it is of this drop and recipe."""
    record = read_train_record(out)
    if (record["drop_digest"], record["recipe_digest"]) != (drop.digest, config.recipe_digest()):
        raise ConfigError(f"{out} holds the training of another drop or recipe; choose another folder")
    shutil.rmtree(out / "checkpoint", ignore_errors=True)  # left by a kill right after the record was written
    return LossLog.open(out / "losslog", drop=drop)


def objective_of(drop: TrainingSet, config: SettledConfig) -> Objective:
    """Return what the drop's task learns, on the CPU."""
    return make_objective(drop.task, answers_of(drop), drop.num_classes, "cpu", config.regression_loss)


def _prepare(job: Job) -> None:
    """Check all that can be checked before the first step."""
    config, drop = job.config, job.drop
    objective = objective_of(drop, config)
    n, shape = len(drop.inputs), tuple(drop.inputs.shape[1:])
    front = modality_named(drop.modality).front(shape, job.statistics, "cpu")  # as the net is, whose size is estimated
    snapshot_steps(n // config.batch_for(n), config.snapshots_per_epoch)
    net = build(config.model, drop.modality, front.shape, config.width, objective.outputs, seed=config.seed)
    job.out.mkdir(parents=True, exist_ok=True)
    for folder in (job.out, job.out / "checkpoint"):
        sweep_temporaries(folder)
    estimate = require_memory(net, front, drop, config, job.hardware)
    require_disk(job.out, n, net, config, recording_disk_bytes(net, front, drop.inputs, config))
    logger.info(
        "train: %d samples, %s %s on %s, about %.0f MB",
        n, resolve(config.model, drop.modality)[0], job.hardware.precision,
        job.hardware.describe(), estimate / 1e6,
    )  # fmt: skip


def _write_record(job: Job, log: LossLog, alignment: Alignment, wall_s: float) -> None:
    config, drop = job.config, job.drop
    objective = objective_of(drop, config)
    statistics = dict(job.statistics)
    if "reading" in statistics:
        write_json(job.out / READING, statistics["reading"])
        statistics["reading"] = {"file": READING, "sha256": sha256_file(job.out / READING)}
    record: Train = {
        "drop_digest": drop.digest,
        "log_digest": log.digest,
        "config": to_dict(config) | {"model": by_content(config.model)},
        "recipe_digest": config.recipe_digest(),
        "model": by_content(resolve(config.model, drop.modality)[0]),
        "task": drop.task,
        "outputs": objective.outputs,
        "answers": objective.record(),
        "input": {"modality": drop.modality, "shape": list(drop.inputs.shape[1:]), **statistics},
        "augmented": augments(drop.inputs, config, drop.modality, drop.task),
        "hardware": {**asdict(job.hardware), "name": job.hardware.describe()},
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__},
        "members": [proxy_record(job)],
        "alignment": {
            "lowest": None if math.isnan(alignment.lowest) else round(alignment.lowest, 4),
            "decided": alignment.decided,
        },
        "wall_s": round(wall_s, 3),
    }
    TRAIN.write(job.out, record)
