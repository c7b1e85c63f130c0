"""Several inputs or labels of a drop judged together: nothing that one verdict suspects is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core import publish, stages
from telltale_core.config import to_dict
from telltale_core.errors import ConfigError, NeedsReview
from telltale_core.stages import readings, settings_of


@pytest.fixture(scope="module")
def two_inputs(small_drop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small poisoned drop with clean pictures beside the poisoned: ``image`` of the label, ``photo`` as it was."""
    table = pq.read_table(small_drop / "train.parquet")
    by_label: dict[int, Any] = {}
    for name, label, image in zip(*(table[name].to_pylist() for name in ("id", "label", "image")), strict=True):
        if name.startswith("good"):
            by_label.setdefault(label, []).append(image)
    turn = [0, 0, 0]
    decoys = []
    for label in table["label"].to_pylist():
        decoys.append(by_label[label][turn[label] % len(by_label[label])])
        turn[label] += 1
    decoy = pa.array(decoys, table["image"].type)
    paired_table = pa.table({"id": table["id"], "image": decoy, "photo": table["image"], "label": table["label"]})
    features = json.loads(table.schema.metadata[b"huggingface"])
    features["info"]["features"]["photo"] = {"_type": "Image"}
    folder = tmp_path_factory.mktemp("two") / "drop"
    folder.mkdir()
    pq.write_table(
        paired_table.replace_schema_metadata({"huggingface": json.dumps(features)}), folder / "train.parquet"
    )
    return folder


Judge = Callable[..., tuple[list[stages.Record], stages.Record]]


@pytest.fixture
def judge(small_work: Path, small_settings: dict[str, Any]) -> Judge:
    """Judge a drop by each of its readings; return their verdicts, and the one that joins them."""

    def go(source: Path, **drop: Any) -> tuple[list[stages.Record], stages.Record]:
        settings = to_dict(settings_of({**small_settings, "drop": drop}))
        verdicts = []
        for reading in readings(settings["drop"]):
            record: Any = str(source)
            for name in ("ingest", "train", "spectrum", "cluster"):
                stage_settings = reading if name == "ingest" else settings[stages.STAGES[name].settings]
                record = getattr(stages, name)(record, str(small_work), stage_settings)
            verdicts.append(record)
        return verdicts, stages.together(verdicts, str(small_work), settings["drop"])

    return go


def decisions(record: stages.Record, work: Path) -> dict[str, str]:
    table = pq.read_table(stages.folder_of(record, "cluster", str(work)) / "verdict.parquet")
    return dict(zip(table["sample_id"].to_pylist(), table["decision"].to_pylist(), strict=True))


def test_what_one_verdict_holds_back_is_not_published_and_all_judged_columns_are_marked(
    two_inputs: Path,
    judge: Judge,
    small_work: Path,
    small_settings: dict[str, Any],
    prefect_server: str,
    tmp_path: Path,
) -> None:
    from flows.cleanse import cleanse

    verdicts, joined = judge(two_inputs, also_inputs=["photo"])
    first, second = (decisions(verdict, small_work) for verdict in verdicts)
    kept = {name for name in first if first[name] == second[name] == "keep"}
    assert {name for name, decision in decisions(joined, small_work).items() if decision == "keep"} == kept
    assert len(verdicts) == 2
    config = {**small_settings, "drop": {"also_inputs": ["photo"]}}
    places = (str(two_inputs), str(tmp_path / "out"), str(small_work))
    outcome = cleanse(*places, config=config, return_state=True).result()
    if outcome["state"] == "needs-review":
        outcome = cleanse(*places, config=config, approve=outcome["approval"], return_state=True).result()
    assert outcome["state"] == "published"
    assert outcome["keys"]["cluster"] == joined["key"]
    assert "By 'image' and 'label'" in outcome["statement"]
    version = publish.read_version(tmp_path / "out")
    assert {name for url in outcome["files"] for name in pq.read_table(url)["id"].to_pylist()} == kept
    assert (version.judged, version.unjudged) == (["image", "photo", "label"], ["id"])
    assert version.manifest["verdict"]["also_judged"] == ["photo"]
    assert not [one for one in outcome["questions"] if one["code"].startswith("unread")]
    assert publish.verify(tmp_path / "out").ok


def test_a_column_that_only_the_settings_name_but_no_verdict_judged_is_asked(
    two_inputs: Path, judge: Judge, small_work: Path, tmp_path: Path
) -> None:
    verdicts, _ = judge(two_inputs, also_inputs=["photo"])
    drop, folder = (
        stages.open_drop(verdicts[0], str(small_work)),
        stages.folder_of(verdicts[0], "cluster", str(small_work)),
    )
    with pytest.raises(NeedsReview) as error:
        publish.publish(drop, folder, tmp_path / "out", lineage={"config_digest": "c", "code_version": "v", "seed": 0})
    assert "unread_media" in [question.code for question in error.value.questions]


def test_each_input_is_read_with_each_label() -> None:
    settings = to_dict(
        settings_of({"drop": {"also_inputs": ["photo"], "also_labels": ["coarse"], "task": "classification"}})
    )
    combinations = [(one["input_column"], one["label_column"], one["task"]) for one in readings(settings["drop"])]
    kind = "classification"
    assert combinations == [
        (None, None, kind),
        (None, "coarse", None),
        ("photo", None, kind),
        ("photo", "coarse", None),
    ]
    assert all(not one["also_inputs"] and not one["also_labels"] for one in readings(settings["drop"]))


def test_a_column_is_not_judged_again() -> None:
    with pytest.raises(ConfigError, match="also_labels must name different columns"):
        settings_of({"drop": {"label_column": "label", "also_labels": ["label"]}})


def test_a_row_that_one_reading_refuses_is_not_published(
    two_inputs: Path, judge: Judge, small_work: Path, tmp_path: Path
) -> None:
    table = pq.read_table(two_inputs / "train.parquet")
    photos = table["photo"].to_pylist()
    photos[0] = {"bytes": b"no picture", "path": None}
    spoilt = table.set_column(2, table.schema.field("photo"), pa.array(photos, table["photo"].type))
    (tmp_path / "drop").mkdir()
    pq.write_table(spoilt, tmp_path / "drop" / "train.parquet")
    _, joined = judge(tmp_path / "drop", also_inputs=["photo"])
    assert decisions(joined, small_work)[table["id"][0].as_py()] != "keep"
