"""What a drop, its columns or a change since the last version leave open stops publication until a person agrees."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from telltale_core.drop import Drop, DropConfig, ingest
from telltale_core.errors import ConfigError, NeedsReview
from telltale_core.publish import PublishConfig, log, protocol, publish, read_version, restore, verify
from telltale_core.publish.manifest import PROOF, UNPROVED_FORMAT, to_bytes
from tests.support import approving
from tests.support import storage as support

MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NAMES = ["cat", "dog", "owl"]
APPROVED = {**support.CODE, "review": {"by": "Ann", "reason": "looked at it"}}


def png(seed: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Maker:
    """Ingests small drops and judges them: the first row is quarantined, nobody is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def __call__(
        self,
        rows: int = 12,
        *,
        toml: str = "",
        side: int = 8,
        names: list[str] = NAMES,
        settings: Any = None,
        **extra: Any,
    ) -> tuple[Drop, Path]:
        self.count += 1
        place = self.folder / str(self.count)
        (place / "drop").mkdir(parents=True)
        columns = {
            "id": [f"{self.count}-{row}" for row in range(rows)],
            "image": pa.array([{"bytes": png(row, side), "path": None} for row in range(rows)], MEDIA),
            "label": [row % len(names) for row in range(rows)],
            **extra,
        }
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        features |= {name: {"dtype": "string", "_type": "Value"} for name in extra}
        table = pa.table({name: values for name, values in columns.items() if values is not None})
        known = {name: feature for name, feature in features.items() if name in table.column_names}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": known}})})
        pq.write_table(table, place / "drop" / "a.parquet")
        if toml:
            (place / "drop" / "drop.toml").write_text(toml)
        drop = ingest(str(place / "drop"), place / "drops", DropConfig(**(settings or {})))
        return drop, support.make_verdict(place / "verdict", drop, {0}, set())


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "made")


def go(job: tuple[Drop, Path], out: Path, **more: Any) -> Any:
    return publish(*job, out, lineage=support.CODE, **more)


def asked(job: tuple[Drop, Path], out: Path, **more: Any) -> dict[str, str]:
    """Return the codes and texts that stop a publication, having seen that nothing was written."""
    before = len(log(out))
    with pytest.raises(NeedsReview, match="Nothing was published") as error:
        go(job, out, **more)
    assert len(log(out)) == before
    assert all(f"[{question.code}]" in str(error.value) for question in error.value.questions)
    return {question.code: question.text for question in error.value.questions}


def captions(rows: int = 12) -> list[str]:
    return [f"a small animal number {row} sits on the green grass" for row in range(rows)]


def test_a_question_of_the_drop_stops_it_and_the_lineage_says_who_approved_which(make: Maker, tmp_path: Path) -> None:
    job = make(toml="image_size = 1")
    assert list(asked(job, tmp_path / "out")) == ["drop_toml_asks"]
    assert list(asked(job, tmp_path / "out", dry_run=True)) == ["drop_toml_asks"]
    version = approving.publish(*job, tmp_path / "out", lineage=APPROVED)
    lineage = version.manifest["lineage"]
    assert lineage["review"] == {"by": "Ann", "reason": "looked at it"}
    assert [question["code"] for question in lineage["questions"]] == ["drop_toml_asks"]


def test_an_approval_leaves_no_name_where_nothing_was_asked(make: Maker, tmp_path: Path) -> None:
    lineage = publish(*make(), tmp_path / "out", lineage={**APPROVED, "approved": "0" * 16}).manifest["lineage"]
    assert not {"review", "approved", "questions"} & set(lineage)


def code_of(job: tuple[Drop, Path], out: Path, **more: Any) -> str:
    with pytest.raises(NeedsReview) as error:
        go(job, out, **more)
    return error.value.approval


def test_an_approval_holds_for_what_was_shown_alone(make: Maker, tmp_path: Path) -> None:
    job, out = make(toml="image_size = 1"), tmp_path / "out"
    code = code_of(job, out)
    assert code == code_of(job, out, dry_run=True)
    settings = code_of(job, out, config=PublishConfig(unread="keep"), run_key="another setting")
    other = make(toml="image_size = 1")
    changed = {"another drop": code_of(other, out), "another dataset": code_of(job, tmp_path / "b"), "keep": settings}
    verdict = support.make_verdict(tmp_path / "verdict", job[0], {1}, set())
    changed["another sample quarantined"] = code_of((job[0], verdict), out)
    go(make(names=["cat", "dog", "fox"]), out)
    changed["a version came in between"] = code_of(job, out)
    assert len({code, *changed.values()}) == 1 + len(changed)
    for stale in (True, code):  # an approval in advance is none
        with pytest.raises(NeedsReview, match=r"changed since \(.* was approved\).*classes_changed") as error:
            publish(*job, out, lineage={**APPROVED, "approved": stale})
        assert error.value.approval == changed["a version came in between"]
    lineage = {**APPROVED, "approved": error.value.approval}
    assert publish(*job, out, lineage=lineage).manifest["lineage"]["approved"] == error.value.approval


@pytest.mark.parametrize("approved", [False, True])
def test_who_loses_a_race_is_asked_what_the_winner_changed(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, approved: bool
) -> None:
    out, job = tmp_path / "out", make(toml="image_size = 1" if approved else "")
    lineage = {**APPROVED, "approved": code_of(job, out)} if approved else support.CODE
    winner = make(names=["cat", "dog", "fox"])

    def overtake(point: str) -> None:
        if point == "before-commit":
            monkeypatch.setattr(protocol, "reach", lambda _point: None)
            go(winner, out)

    monkeypatch.setattr(protocol, "reach", overtake)
    with pytest.raises(NeedsReview, match="classes_changed"):
        publish(*job, out, lineage=lineage)
    assert [version.manifest["drop"]["digest"] for version in log(out)] == [winner[0].digest]


def test_an_unread_column_is_asked_kept_or_left_out_by_the_setting(make: Maker, tmp_path: Path) -> None:
    job = make(caption=captions(), source=["web", "phone"] * 6)
    assert list(asked(job, tmp_path / "out")) == ["unread_text"]
    kept = go(job, tmp_path / "keep", config=PublishConfig(unread="keep"))
    assert (kept.judged, kept.unjudged) == (["image", "label"], ["id", "caption", "source"])
    out = go(job, tmp_path / "drop", config=PublishConfig(unread="drop"))
    shard = pq.read_schema(out.urls()[0])
    assert shard.names == ["id", "image", "label"]
    assert set(json.loads(shard.metadata[b"huggingface"])["info"]["features"]) == {"image", "label"}
    assert (out.unjudged, out.manifest["left_out"]) == (["id"], ["caption", "source"])
    assert "caption" in pq.read_schema(out.quarantine_urls()[0]).names
    assert verify(tmp_path / "drop").ok


def test_a_restored_row_has_the_columns_of_the_published_ones(make: Maker, tmp_path: Path) -> None:
    job = make(caption=captions())
    go(job, tmp_path / "out", config=PublishConfig(unread="drop"))
    version = restore(tmp_path / "out", ["1-0"], reason="fine", by="ann")
    assert {tuple(pq.read_schema(url).names) for url in version.urls()} == {("id", "image", "label")}
    assert version.manifest["left_out"] == ["caption"]


def test_plain_passengers_are_published_and_marked(make: Maker, tmp_path: Path) -> None:
    version = go(make(source=["web"] * 6 + ["phone"] * 6, score=[row / 8 for row in range(12)]), tmp_path / "out")
    judged = {column["name"]: column["judged"] for column in version.manifest["schema"]}
    assert judged == {"id": False, "image": True, "label": True, "source": False, "score": False}
    assert [entry["column"] for entry in version.manifest["unread"]] == ["id", "source", "score"]


def test_a_version_and_its_restore_say_what_became_of_the_drops_files(make: Maker, tmp_path: Path) -> None:
    job = make(toml='name = "animals"')
    files = {"found": 2, "read": 1, "about": {"count": 1, "first": ["drop.toml"]}, "ignored": {}}
    assert go(job, tmp_path / "out").manifest["accounting"] == {"files": files, "lines": None}
    version = restore(tmp_path / "out", ["1-0"], reason="fine", by="ann")
    assert version.manifest["accounting"]["files"] == files


@pytest.mark.parametrize("named", [{}, {"label_column": "label"}])
def test_a_second_label_stops_it_unless_the_operator_names_the_label(
    make: Maker, tmp_path: Path, named: dict[str, str]
) -> None:
    job = make(coarse=[0, 0, 1] * 4, settings=named)
    if named:
        assert go(job, tmp_path / "out").unjudged == ["id", "coarse"]
    else:
        assert list(asked(job, tmp_path / "out")) == ["two_labels"]


def test_an_unknown_setting_of_unread_columns_is_refused() -> None:
    with pytest.raises(ConfigError, match="unread must be"):
        PublishConfig(unread="all")  # type: ignore[arg-type]


def test_a_drop_like_the_last_one_asks_nothing(make: Maker, tmp_path: Path) -> None:
    go(make(source=["web"] * 12), tmp_path / "out")
    assert go(make(rows=30, source=["web"] * 30), tmp_path / "out").number == 2


@pytest.mark.parametrize(
    ("changed", "code", "named"),
    [
        ({"extra": ["a"] * 12}, "columns_changed", ["new here: 'extra'"]),
        ({"source": None}, "columns_changed", ["only there: 'source'"]),
        ({"source": list(range(12))}, "types_changed", ["'source' string, here int64"]),
        ({"names": ["cat", "dog", "fox"]}, "classes_changed", ["new here: 'fox'", "only there: 'owl'"]),
        ({"names": ["dog", "cat", "owl"]}, "classes_changed", ["another order"]),
        ({"side": 16}, "size_changed", ["8 x 8 x 3", "16 x 16 x 3"]),
        ({"rows": 120, "source": ["web"] * 120}, "rows_changed", ["12 rows", "120"]),
        (
            {"settings": {"task": "regression", "target_column": "label"}},
            "task_changed",
            ["classification", "regression"],
        ),
        ({"id": None}, "role_changed", ["'id'", "no column"]),
        ({"settings": {"label_column": "source"}, "source": ["a", "b"] * 6}, "role_changed", ["'label'", "'source'"]),
    ],
)
def test_a_change_since_the_last_version_is_asked_and_names_both(
    make: Maker, tmp_path: Path, changed: dict[str, Any], code: str, named: list[str]
) -> None:
    go(make(source=["web"] * 12), tmp_path / "out")
    job = make(**{"source": ["web"] * 12, **changed})
    questions = asked(job, tmp_path / "out")
    assert all(word in questions[code] for word in [*named, "version 1"]), questions
    approving.publish(*job, tmp_path / "out", lineage=APPROVED)
    again = {**changed, "rows": changed.get("rows", 12)}
    go(make(**{"source": ["web"] * 12, **again}), tmp_path / "out")  # the next one is compared with what was approved


def test_another_kind_of_data_is_asked(make: Maker, tmp_path: Path) -> None:
    go(make(), tmp_path / "out")
    table = make(image=None, income=[float(row) for row in range(12)])
    assert "modality_changed" in asked(table, tmp_path / "out")


def test_a_restored_version_still_says_what_the_next_drop_is_held_against(make: Maker, tmp_path: Path) -> None:
    go(make(), tmp_path / "out")
    restore(tmp_path / "out", ["1-0"], reason="fine", by="ann")
    assert "classes_changed" in asked(make(names=["cat", "dog", "fox"]), tmp_path / "out")


def test_a_version_of_an_earlier_release_is_compared_by_what_it_holds(make: Maker, tmp_path: Path) -> None:
    go(make(), tmp_path / "out")
    file = tmp_path / "out" / "_versions" / "00000001.json"
    manifest = json.loads(file.read_bytes())
    manifest["format"] = UNPROVED_FORMAT
    del manifest["reading"], manifest["unread"], manifest["left_out"], manifest[PROOF]
    manifest["schema"] = [{"name": one["name"], "type": one["type"]} for one in manifest["schema"]]
    file.write_bytes(to_bytes(manifest))
    (tmp_path / "out" / "_mirror" / file.name).unlink()  # earlier releases had none
    assert read_version(tmp_path / "out").judged is None
    assert list(asked(make(rows=120, extra=["a"] * 120), tmp_path / "out")) == ["columns_changed", "rows_changed"]
    assert go(make(names=["cat", "dog", "fox"]), tmp_path / "out").number == 2


def test_the_same_run_again_is_the_same_version_whatever_came_after(make: Maker, tmp_path: Path) -> None:
    job = make()
    first = go(job, tmp_path / "out")
    approving.publish(*make(names=["cat", "dog", "fox"]), tmp_path / "out", lineage=APPROVED)
    assert go(job, tmp_path / "out").sha256 == first.sha256
