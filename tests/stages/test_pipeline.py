"""What every stage of the pipeline keeps: it is computed once, found again, and only a complete result counts."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telltale_core import digest, publish, stages
from telltale_core.config import from_dict, to_dict
from telltale_core.errors import ConfigError
from telltale_core.stages import PIPELINE, STAGES, Stage
from tests.support.pipeline import Ran, run_pipeline

every_stage = pytest.mark.parametrize("stage", PIPELINE, ids=lambda stage: stage.name)
OTHER: dict[str, dict[str, Any]] = {
    "drop": {"name": "renamed"},
    "proxy": {"seed": 7},
    "spectrum": {"whitening": 0.0},
    "verdict": {"min_cluster": 12},
    "report": {"dpi": 60},
    "publish": {"unread": "keep"},
}
KILLED = """
import json, os, signal, sys
from pathlib import Path
import sklearn, torch  # once, for all that are killed
from telltale_core import stages

for (name, upstream, work, settings, context), last in json.load(sys.stdin):

    def at_the_last_moment(event, given):
        if event in ("os.rename", "os.link"):
            target = Path(os.fsdecode(given[1]))
            if last in (target.name, target.parent.name):
                os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        sys.addaudithook(at_the_last_moment)
        stages.STAGES[name](upstream, work, settings, **context)
        os._exit(0)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The whole pipeline, run once."""
    return run_pipeline(tmp_path_factory.mktemp("pipeline") / "run")


@pytest.fixture
def own(finished: Ran, tmp_path: Path) -> Ran:
    """The same, in this test's own folder."""
    return finished.copy(tmp_path / "run")


@pytest.fixture(scope="module")
def killed(finished: Ran, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """For each stage a pipeline whose process was killed when that stage was about to complete its result."""
    runs, jobs = {}, []
    for stage in PIPELINE:
        ran = runs[stage.name] = finished.copy(tmp_path_factory.mktemp("killed") / "run")
        shutil.rmtree(place_of(ran, stage))
        last = {"ingest": "drops", "publish": "00000001.json"}.get(stage.name, stage.record)
        options = {"destination": ran.out, "approve": ran.approval}
        jobs.append([[stage.name, ran.upstream(stage), ran.work, ran.settings_of(stage), options], last])
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, timeout=500, check=True)
    assert dict(line.split() for line in done.stdout.splitlines()) == dict.fromkeys(runs, "-9"), done.stderr
    return runs


@pytest.fixture
def source_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the packages' source, which the code versions of this test are those of."""
    root = Path(digest.__file__).parent
    shutil.copytree(root, tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    monkeypatch.setattr(digest, "__file__", str(tmp_path / "core" / "digest.py"))
    digest._package_digest.cache_clear()
    yield tmp_path / "core"
    digest._package_digest.cache_clear()


def files(folder: Path | str) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in Path(folder).rglob("*")
        if path.is_file() and path.parent.name != "locks"
    }


def key(ran: Ran, stage: Stage, **other: Any) -> str:
    """Return the name of a stage's result: its key, or the run key of what is published."""
    if not stage.folder:
        return str(ran.run(stage, dry_run=True, **other).record["run_key"])
    arguments: dict[str, Any] = {"upstream": ran.upstream(stage), "settings": ran.settings_of(stage), **other}
    return stages.key_for(stage, arguments["upstream"], arguments["settings"])


def backwards(value: Any) -> Any:
    """Return the same JSON value with the names of every table in the opposite order."""
    if isinstance(value, list):
        return [backwards(each) for each in value]
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return value


def place_of(ran: Ran, stage: Stage) -> Path:
    """Return where a stage's result lies: its folder in the work area, or the dataset."""
    return Path(ran.work) / stage.folder / ran.records[stage.name]["key"] if stage.folder else Path(ran.out)


def test_the_pipeline_is_a_chain_from_source_to_publication() -> None:
    assert [stage.name for stage in PIPELINE] == ["ingest", "train", "spectrum", "cluster", "report", "publish"]
    assert not PIPELINE[0].rests_on
    assert all(before in after.rests_on for before, after in itertools.pairwise(PIPELINE))
    assert set(OTHER) == {stage.settings for stage in PIPELINE}


@every_stage
def test_a_second_run_finds_the_result_and_writes_nothing(finished: Ran, stage: Stage) -> None:
    before = files(finished.folder)
    again = finished.run(stage)
    assert again.record == finished.records[stage.name]
    assert again.reused == bool(stage.folder)  # a publication asks the destination: its result is found there
    assert files(finished.folder) == before


@every_stage
def test_a_stage_killed_at_the_last_moment_leaves_no_result_and_is_run_again(
    killed: dict[str, Ran], stage: Stage
) -> None:
    ran = killed[stage.name]
    if stage.folder:
        assert stages.standing(stage, key(ran, stage), ran.upstream(stage), ran.settings_of(stage), ran.work) is None
    else:
        assert publish.log(ran.out) == []
    again = ran.run(stage)
    assert (again.reused, again.record) == (False, ran.records[stage.name])


@every_stage
def test_a_lost_result_is_made_again(own: Ran, stage: Stage) -> None:
    shutil.rmtree(place_of(own, stage))
    again = own.run(stage)
    assert (again.reused, again.record) == (False, own.records[stage.name])
    assert files(place_of(own, stage))
    assert own.run(stage).reused == bool(stage.folder)


@every_stage
def test_other_settings_give_another_key(finished: Ran, stage: Stage) -> None:
    assert key(finished, stage) != key(
        finished, stage, settings={**finished.settings_of(stage), **OTHER[stage.settings]}
    )


@every_stage
def test_another_upstream_gives_another_key(own: Ran, stage: Stage) -> None:
    before = key(own, stage)
    if stage is stages.ingest:
        shutil.copy(own.folder / "drop" / "train.parquet", own.folder / "drop" / "more.parquet")
        assert key(own, stage) != before
        return
    upstream = own.upstream(stage)
    other = {**upstream, "key": "0" * 64, "settings": {**upstream["settings"], "drop": {"name": "another"}}}
    assert key(own, stage, upstream=other) != before


@every_stage
def test_the_source_of_its_packages_and_no_other_decides_a_key(finished: Ran, stage: Stage, source_code: Path) -> None:
    before = key(finished, stage)
    for package in ("drop", "modality", "proxy", "losslog", "spectrum", "verdict", "report", "publish", "storage"):
        with (source_code / package / "__init__.py").open("a") as file:
            file.write("# mended\n")
        digest._package_digest.cache_clear()
        after = key(finished, stage)
        assert (after != before) == (package in stage.packages), package
        before = after


def test_what_a_cohort_is_steers_the_verdict_and_no_other_stage_before_it(source_code: Path) -> None:
    before = {stage.name: digest.code_version(stage.packages) for stage in stages.PIPELINE}
    with (source_code / "drop" / "grouping.py").open("a") as file:
        file.write("# mended\n")
    digest._package_digest.cache_clear()
    changed = [stage.name for stage in stages.PIPELINE if digest.code_version(stage.packages) != before[stage.name]]
    assert changed == ["ingest", "cluster", "publish"]


@every_stage
def test_the_order_of_names_in_settings_and_records_decides_nothing(finished: Ran, stage: Stage) -> None:
    upstream, settings = backwards(finished.upstream(stage)), backwards(finished.settings_of(stage))
    assert list(settings) == list(reversed(finished.settings_of(stage)))
    assert key(finished, stage, upstream=upstream, settings=settings) == key(finished, stage)
    assert finished.run(stage, upstream=upstream, settings=settings).record == finished.records[stage.name]


@every_stage
def test_a_setting_that_is_left_out_counts_as_its_default(finished: Ran, stage: Stage) -> None:
    whole = to_dict(from_dict(stage.config, {}))
    assert whole
    assert key(finished, stage, settings={}) == key(finished, stage, settings=whole)


@every_stage
def test_a_stage_refuses_the_record_of_one_that_it_does_not_rest_on(finished: Ran, stage: Stage) -> None:
    if not stage.rests_on:
        return
    needed = " or ".join(each.name for each in stage.rests_on)
    wrong = finished.records["report" if stage is not STAGES["publish"] else "train"]
    with pytest.raises(ConfigError, match=f"the stage {stage.name} needs the record of {needed}, got that of"):
        finished.run(stage, upstream=wrong)
