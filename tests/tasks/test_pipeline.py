"""The stages as Prefect tasks, against a real server: what is reused is *Cached*, and the work area alone says so."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import flow

from tasks import story
from tasks.pipeline import TASKS, Runner
from tasks.train_elsewhere import began_after
from telltale_core import stages
from telltale_core.stages import PIPELINE, Stage
from tests.support.pipeline import Ran, run_pipeline


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The whole pipeline, run once, without Prefect."""
    return run_pipeline(tmp_path_factory.mktemp("pipeline") / "run")


def test_every_stage_has_a_task_of_its_name() -> None:
    assert set(TASKS) == {*(stage.name for stage in PIPELINE), "join"}
    assert all(task.name == name for name, task in TASKS.items())


def test_a_training_is_told_of_as_it_ends_and_no_other_stage_is(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[Any] = []
    monkeypatch.setattr(story, "trained", lambda record, work: lines.append((record, work)))
    runner = Runner("work")
    state: Any = SimpleNamespace(result=lambda: {"key": "k"}, model_copy=lambda update: update)
    runner.tasks = dict.fromkeys(TASKS, lambda *_, **__: state)  # type: ignore[arg-type]
    for stage in PIPELINE:
        runner(stage, {}, {})
        assert lines == ([({"key": "k"}, "work")] if PIPELINE.index(stage) >= PIPELINE.index(stages.train) else [])


@pytest.mark.parametrize(("began_s", "waited_s"), [(12, 12.0), (-1, 0.0), (None, 0.0)])
def test_how_long_a_training_waited_is_said_in_seconds(began_s: int | None, waited_s: float) -> None:
    due = datetime(2026, 11, 29, tzinfo=UTC)
    began = None if began_s is None else due + timedelta(seconds=began_s)
    run: Any = SimpleNamespace(expected_start_time=due, start_time=began)
    assert began_after(run) == waited_s


def test_what_stands_is_cached_and_what_was_lost_is_computed(
    finished: Ran, prefect_server: str, tmp_path: Path
) -> None:
    own = finished.copy(tmp_path / "run")

    @flow(name="twice")
    def states() -> dict[str, list[str]]:
        states_by_stage: dict[str, list[str]] = {}
        for stage in PIPELINE:
            states_by_stage[stage.name] = [state_of(own, stage)]
            if stage.folder:
                shutil.rmtree(Path(own.work) / stage.folder / own.records[stage.name]["key"])
            states_by_stage[stage.name].append(state_of(own, stage))
        return states_by_stage

    kept = [stage.name for stage in PIPELINE if stage.folder]
    expected = {**{key: ["Cached", "Completed"] for key in kept}, "publish": ["Completed", "Completed"]}
    assert states() == expected


def state_of(ran: Ran, stage: Stage) -> str:
    options = {"destination": ran.out, "approve": ran.approval}
    state: Any = TASKS[stage.name](ran.upstream(stage), ran.work, ran.settings_of(stage), **options, return_state=True)
    assert state.result() == ran.records[stage.name]
    return str(state.name)


def test_a_run_that_is_called_again_takes_records_from_the_work_area(finished: Ran, prefect_server: str) -> None:
    """So goes a run that was suspended for a person: its body runs anew, in another process."""

    @flow(name="anew")
    def body() -> Any:
        run, record = Runner(finished.work, finished.out), str(finished.folder / "drop")
        for stage in PIPELINE[:-1]:
            record = run(stage, record, finished.settings_of(stage))
        return run(stages.publish, record, finished.settings_of(stages.publish), approve=finished.approval)

    assert body() == body() == finished.records["publish"]
