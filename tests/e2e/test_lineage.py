"""What a published version tells of its drop: this run's name and source for it, and nothing of the machine's paths."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from telltale_core import publish, stages
from telltale_core.config import from_dict, to_dict

STAGE_NAMES = ("ingest", "train", "spectrum", "cluster", "report")


@pytest.fixture
def run(small_work: Path, small_settings: dict[str, Any], tmp_path: Path) -> Any:
    """Cleanse a drop and return the stage record before publishing, and the version published in ``tmp_path/out``."""

    def cleanse(source: Path, **drop: Any) -> tuple[stages.Record, publish.Version]:
        settings = to_dict(from_dict(stages.CleanseConfig, {**small_settings, "drop": drop}))
        record: Any = str(source)
        for name in STAGE_NAMES:
            record = getattr(stages, name)(record, str(small_work), settings[stages.STAGES[name].settings])
        stages.publish(record, str(small_work), settings["publish"], destination=str(tmp_path / "out"))
        return record, publish.read_version(tmp_path / "out")

    return cleanse


def page_of(record: stages.Record, work: Path) -> str:
    return (stages.folder_of(record, "report", str(work)) / "report.html").read_text()


def test_the_same_rows_from_another_place_are_told_under_their_own_name(
    run: Any, small_drop: Path, small_work: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_drop, tmp_path / "delivery-7")
    first, _ = run(small_drop)
    trained = {path: path.stat().st_mtime_ns for path in small_work.glob("train/*/train.json")}
    for drop, name in (({}, "delivery-7"), ({"name": "renamed"}, "renamed")):
        again, version = run(tmp_path / "delivery-7", **drop)
        assert again["keys"]["ingest"] == first["keys"]["ingest"]
        assert again["keys"]["cluster"] == first["keys"]["cluster"]
        assert f"<h1><bdi>{name}</bdi></h1>" in page_of(again, small_work)
        assert stages.open_drop(again, str(small_work)).name == name
    assert version.manifest["drop"] == {
        "digest": first["keys"]["ingest"],
        "name": "renamed",
        "source": "delivery-7",
    }
    assert {path: path.stat().st_mtime_ns for path in small_work.glob("train/*/train.json")} == trained


def test_no_path_of_the_machine_is_published(run: Any, small_drop: Path, small_work: Path, tmp_path: Path) -> None:
    record, version = run(small_drop)
    assert (version.manifest["drop"]["source"], version.manifest["dataset"]) == ("drop", "out")
    contents = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any(page_of(record, small_work).encode() == each for each in contents)
    for path in (small_drop.parent, small_work, tmp_path, Path.home()):
        assert not [each[:80] for each in contents if str(path).encode() in each], path
