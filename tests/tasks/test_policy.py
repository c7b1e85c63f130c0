from __future__ import annotations

import inspect
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prefect import flow
from prefect.exceptions import CrashedRun
from prefect.states import Failed

from tasks import policy, progress
from tasks.leave_out import leave_out
from tasks.pipeline import TASKS
from tasks.train_elsewhere import train_elsewhere
from telltale_core import drop as drops
from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.drop import Drop, DropConfig
from telltale_core.errors import (
    BadInput,
    CommitUnknown,
    ConfigError,
    Conflict,
    Corrupt,
    Misaligned,
    NothingLearnt,
    OverBudget,
    TrainingDiverged,
    Transient,
)
from telltale_core.proxy import Progress, ProgressLines

STAGES = (*TASKS.values(), train_elsewhere, leave_out)
train, ingest = TASKS["train"], TASKS["ingest"]


@pytest.mark.parametrize("error", [Transient("the store is slow"), CrashedRun("the worker went away")])
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert policy.worth_retrying(train, None, Failed(data=error)) is True  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        BadInput("label_missing", "a transient-looking text: connection reset, 503, timeout"),
        ConfigError("epochs must be >= 1"),
        Conflict("taken"),
        CommitUnknown("the reply was lost"),
        Corrupt("digest"),
        TrainingDiverged("nan"),
        Misaligned("rows"),
        NothingLearnt("at chance"),
        OverBudget("memory"),
        ValueError("bug"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_pass_is_never_tried_again(error: Exception) -> None:
    assert policy.worth_retrying(train, None, Failed(data=error)) is False  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_retries_by_class_with_growing_delays(stage: Any) -> None:
    assert inspect.isfunction(stage.retry_condition_fn)  # Prefect 3.8 ignores other callables
    assert stage.retry_condition_fn is policy.worth_retrying
    assert stage.retries == policy.RETRIES
    assert stage.retry_delay_seconds == [10, 20, 40]
    assert stage.retry_jitter_factor


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_no_stage_has_a_hook_that_could_undo_a_publication(stage: Any) -> None:
    assert not stage.on_rollback_hooks
    assert not stage.on_commit_hooks


def test_a_transient_failure_is_retried_in_a_real_run(prefect_server: str) -> None:
    tries: Iterator[Exception | None] = iter([Transient("slow"), None])
    waiting = train.with_options(
        name="flaky", retry_delay_seconds=0, retry_jitter_factor=None, persist_result=False, task_run_name="flaky"
    )

    def fails_once(upstream: dict[str, Any], work: str, settings: dict[str, Any]) -> dict[str, Any]:
        error = next(tries)
        if error is not None:
            raise error
        return {"done": True}

    waiting.fn = fails_once

    @flow(name="retries")
    def run() -> dict[str, Any]:
        return waiting({"keys": {"ingest": "0" * 64}}, "", {})

    assert run() == {"done": True}


def test_bad_input_fails_at_once_in_a_real_run(prefect_server: str) -> None:
    calls = []
    strict = train.with_options(name="strict", persist_result=False, task_run_name="strict")

    def refuses(upstream: dict[str, Any], work: str, settings: dict[str, Any]) -> dict[str, Any]:
        calls.append(work)
        raise BadInput("drop_empty", "no rows")

    strict.fn = refuses

    @flow(name="refuses")
    def run() -> dict[str, Any]:
        return strict({"keys": {"ingest": "0" * 64}}, "work", {})

    with pytest.raises(BadInput, match="drop_empty"):
        run()
    assert calls == ["work"]


def moment(step: int) -> Progress:
    return Progress(
        epoch=step, epochs=2, step=step, steps=2, loss=0.1, score=0.9, samples_per_s=1.0,
        remaining_s=1.0,
    )  # fmt: skip


def test_progress_without_a_server_warns_once_and_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError("no server")

    monkeypatch.setattr(progress, "create_progress_artifact", away)
    see = progress.watch("train")
    with caplog.at_level(logging.WARNING, logger="tasks.progress"):
        see(moment(1))
        see(moment(2))
    assert len([record for record in caplog.records if record.name == "tasks.progress"]) == 1


def test_progress_is_shown_again_a_minute_after_the_server_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now, shown = [1000.0], []

    def make(percent: float, **_: Any) -> None:
        shown.append(percent)
        if len(shown) == 1:
            raise ConnectionError("away")

    monkeypatch.setattr(progress, "create_progress_artifact", make)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    see = progress.watch("train")
    for passed_s in (0, 30, 61):
        now[0] = 1000.0 + passed_s
        see(moment(1))
    assert len(shown) == 2


def test_a_listener_on_this_machine_hears_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "create_progress_artifact", lambda *_, **__: None)
    heard: list[int] = []
    see = progress.watch("train")
    with progress.listening_to(lambda training_progress: heard.append(training_progress.step)):
        see(moment(1))
        see(moment(2))
    see(moment(3))  # the command that listened has ended
    assert heard == [1, 2]


def test_a_listener_that_fails_is_told_no_more_and_the_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: list[float] = []
    monkeypatch.setattr(progress, "create_progress_artifact", lambda share, **_: shown.append(share))
    with (tmp_path / "terminal").open("w") as terminal:
        lines = ProgressLines(terminal)
    see = progress.watch("train")
    with progress.listening_to(lines):
        see(moment(1))
        assert progress.listener.get() is None
        see(moment(2))
    assert shown


def test_a_source_that_changed_while_it_was_read_is_not_tried_again_but_run_again(
    small_drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, work = tmp_path / "drop", str(tmp_path / "work")
    shutil.copytree(small_drop, source)
    read = drops.ingest

    def read_while_it_changes(*arguments: Any) -> Drop:
        drop = read(*arguments)
        table = pq.read_table(source / "train.parquet")
        pq.write_table(table.slice(0, 500), source / "train.parquet")
        return drop

    monkeypatch.setattr(drops, "ingest", read_while_it_changes)
    with pytest.raises(BadInput, match="once its upload is complete") as error:
        ingest.fn(str(source), work, to_dict(DropConfig()))
    monkeypatch.undo()
    assert policy.worth_retrying(ingest, None, Failed(data=error.value)) is False  # type: ignore[arg-type]
    again = ingest.fn(str(source), work, to_dict(DropConfig()))
    assert len(stages.open_drop(again, work)) == 500
