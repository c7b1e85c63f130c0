"""Columns and classes that nobody judged, up to the publication: with and without ``drop.toml``, in any format."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.publish import log
from tests.support.routes import (
    COARSE,
    FINE,
    GROUP,
    LABEL,
    MEDIA,
    NAMES,
    Cleanse,
    N,
    Route,
    beside,
    embedded,
    files,
    images_beside,
    images_in_parquet,
    let_through,
    numbers,
    parquet,
    png,
    recordings,
    table,
    text,
    texts,
    wav,
)  # fmt: skip

LABEL_CURE, INPUT_CURE = "drop.label_column to say which is read", "drop.input_column to say which is read"
KEEP = {"publish": {"unread": "keep"}}
CAPTIONS = [f"somebody wrote this about picture number {row}" for row in range(N)]
LONG = [base64.b64encode(png(row, 16)).decode() for row in range(N)]
LISTS = [[row, 2, 3] for row in range(N)]
NESTED: list[Any] = [{"a": row, "b": {"c": "x"}} for row in range(N)]


def second_class_label(folder: Path) -> Path:
    features = {"image": {"_type": "Image"}, "coarse": GROUP}
    return parquet(folder, features, image=embedded(png), label=FINE, coarse=COARSE)


def table_beside_folders(make: Callable[[int], bytes], ending: str, kind: str) -> Callable[[Path], Path]:
    def writer(folder: Path) -> Path:
        keys = files(folder, "train", make, ending)
        return table(folder, kind, file_name=keys, label=FINE, coarse_label=COARSE)

    return writer


def second_pictures(kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return beside(kind, folder, other=files(folder, "b", lambda row: png(row, 4), "png"))

    return make


def with_lists(folder: Path) -> Path:
    return table(folder, "jsonl", features=[[one, two] for one, two in zip(*numbers().values(), strict=True)],
                 age=list(range(N)), label=FINE)  # fmt: skip


def spelt(kind: str, names: list[str]) -> Callable[[Path], Path]:
    """A drop whose four classes are called so."""

    def make(folder: Path) -> Path:
        labels = [names[label] for label in FINE]
        if kind == "parquet":
            return parquet(folder, {"image": {"_type": "Image"}}, image=embedded(png), label=labels)
        if kind == "ClassLabel":
            marked = {"names": names, "_type": "ClassLabel"}
            return parquet(folder, {"image": {"_type": "Image"}, "label": marked}, image=embedded(png), label=FINE)
        if kind == "csv":
            return table(folder, "csv", file_name=files(folder, "a", png, "png"), label=labels)
        if kind == "text":
            return table(folder, "jsonl", text=[text(row) for row in range(N)], label=labels)
        if kind == "table":
            return table(folder, "csv", **numbers(), label=labels)
        for row, label in enumerate(labels):
            (folder / label).mkdir(parents=True, exist_ok=True)
            ending, data = ("wav", wav(row)) if kind == "recordings" else ("png", png(row))
            (folder / label / f"{row:02d}.{ending}").write_bytes(data)
        return folder

    return make


def two_labels(make: Callable[[Path], Path], cure: str = LABEL_CURE, **through: Any) -> Route:
    return Route(make=make, code="two_labels", cure=cure, through=through or None)


def unread(like: str, kind: str, **extra: Any) -> Route:
    return Route(make=partial(beside, kind, **extra), code=f"unread_{like}", cure=INPUT_CURE, through=KEEP)


def alike(kind: str, other: str) -> Route:
    return Route(
        make=spelt(kind, ["bus", "car", "cat", other]),
        code="classes_look_alike",
        cure='drop.fold_classes = "all"',
        through={"drop": {"fold_classes": "exact"}},
    )


WIDE = {
    "Parquet": images_in_parquet, "CSV": images_beside("csv"), "JSON lines": images_beside("jsonl"), "texts": texts,
    "recordings": recordings,
}  # fmt: skip
ROUTES: dict[str, Route] = {
    "second ClassLabel": two_labels(second_class_label, drop={"label_column": "label"}),
    **{f"second label, {name}": two_labels(make) for name, make in WIDE.items()},
    "second label beside class folders": two_labels(table_beside_folders(png, "png", "csv")),
    "second label beside class folders, JSON lines": two_labels(table_beside_folders(png, "png", "jsonl")),
    "second label beside folders of recordings": two_labels(table_beside_folders(wav, "wav", "csv")),
    "second label by its name": two_labels(partial(beside, "csv", Superclass=COARSE), publish={"unread": "keep"}),
    "two answers": two_labels(partial(beside, "table", target=COARSE), "drop.label_column or drop.target_column"),
    "two answers, another name": two_labels(
        partial(beside, "table", labels=COARSE), "drop.label_column or drop.target_column"
    ),
    "two inputs": Route(
        make=with_lists,
        code="two_inputs",
        cure="drop.input_columns",
        through={"drop": {"input_columns": ("features",)}, **KEEP},
    ),
    "second input, Parquet": Route(make=images_in_parquet, code="unread_media", cure=INPUT_CURE),
    "second input, CSV": Route(make=images_beside("csv"), code="unread_media", cure=INPUT_CURE),
    "second input, texts": Route(make=texts, code="unread_text", cure=INPUT_CURE),
    "second input, recordings": Route(make=recordings, code="unread_media", cure=INPUT_CURE),
    "bytes": unread("media", "parquet", raw=pa.array([png(row, 4) for row in range(N)])),
    "paths of other pictures, CSV": Route(make=second_pictures("csv"), code="unread_media", cure=INPUT_CURE),
    "paths of other pictures, JSON lines": Route(make=second_pictures("jsonl"), code="unread_media", cure=INPUT_CURE),
    "pictures beside texts": Route(make=second_pictures("text"), code="unread_media", cure=INPUT_CURE),
    "lists of numbers": unread("numbers", "parquet", pixels=pa.array(LISTS)),
    "lists of numbers, JSON lines": unread("numbers", "jsonl", pixels=LISTS),
    "numbers in words, CSV": unread("numbers", "csv", pixels=[f"{row} 255 0 0 1 9 9 9" for row in range(N)]),
    "many columns of numbers": unread(
        "numbers", "parquet", **{f"pixel{one}": [row * one % 251 for row in range(N)] for one in range(1, 21)}
    ),
    "encoded": unread("long", "csv", encoded=LONG),
    "encoded, recordings": unread("long", "audio", encoded=LONG),
    "nested": unread("nested", "jsonl", boxes=NESTED),
    "nested, Parquet": unread("nested", "parquet", boxes=pa.array(NESTED)),
    "nested, CSV": unread("nested", "csv", boxes=[f"['a', '{row}']" for row in range(N)]),
    "numbers of a list, CSV": unread("numbers", "csv", box=[str([row, 2, 3]) for row in range(N)]),
    "free text, Parquet": unread("text", "parquet", caption=CAPTIONS),
    "free text, CSV": unread("text", "csv", caption=CAPTIONS),
    "free text, recordings": unread("text", "audio", transcript=CAPTIONS),
    "free text, texts": unread("text", "text", answer=CAPTIONS),
    "Cat, Parquet": alike("parquet", "Cat"),
    "Cat, class folders": alike("folder", "Cat"),
    "fullwidth, class folders": alike("folder", "ｃat"),
    "fullwidth, ClassLabel": alike("ClassLabel", "ｃat"),
    "Cyrillic, CSV": alike("csv", "с\u0430t"),
    "Cyrillic, recordings": alike("recordings", "с\u0430t"),
    "mathematical, texts": alike("text", "𝐜𝐚𝐭"),
    "CAT, table": alike("table", "CAT"),
}  # fmt: skip


@pytest.mark.parametrize("route", list(ROUTES))
def test_what_would_be_published_unjudged_ends_at_a_person(tmp_path: Path, cleanse: Cleanse, route: str) -> None:
    ROUTES[route].ends_at_a_person(cleanse, tmp_path / "drop")


@pytest.mark.parametrize("route", let_through(ROUTES))
def test_the_operators_standing_setting_publishes_it(tmp_path: Path, cleanse: Cleanse, route: str) -> None:
    ROUTES[route].is_let_through(cleanse, tmp_path / "drop")


@pytest.mark.parametrize("kind", ["parquet", "csv", "text", "folder", "recordings", "table"])
@pytest.mark.parametrize("other", ["cat\u200b", "cat\u00a0", "cafe\u0301"])
def test_a_class_in_an_invisible_spelling_is_published_as_one(
    tmp_path: Path, cleanse: Cleanse, kind: str, other: str
) -> None:
    outcome = cleanse(spelt(kind, ["bus", "car", "café" if "caf" in other else "cat", other])(tmp_path / "drop"))
    assert outcome["state"] == "published"
    rows = [row for url in outcome["files"] for row in pq.read_table(url, columns=["label"])["label"].to_pylist()]
    assert len(rows) == N
    assert len(set(rows)) == 3
    assert other not in rows


def written(folder: Path, **changes: Any) -> Path:
    """The drop with which a dataset begins, and its changes: ``names``, ``side``, ``rows``, further columns."""
    names, rows, side = (changes.pop(name, usual) for name, usual in (("names", NAMES), ("rows", N), ("side", 8)))
    media = pa.array([{"bytes": png(row, side), "path": None} for row in range(N)], MEDIA)
    columns = {"id": [f"{folder.name}-{row}" for row in range(N)], "image": media, "label": FINE, "source": ["a"] * N}
    columns = {name: values[:rows] for name, values in {**columns, **changes}.items() if values is not None}
    label = LABEL | {"names": names}
    return parquet(folder, {"image": {"_type": "Image"}, "label": label} if "image" in columns else {}, **columns)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "code", "settings"),
    [
        ({"extra": ["a"] * N}, "columns_changed", {}),
        ({"source": None}, "columns_changed", {}),
        ({"source": list(range(N))}, "types_changed", {}),
        ({"names": ["bus", "car", "cat", "fox"]}, "classes_changed", {}),
        ({"names": [*reversed(NAMES)]}, "classes_changed", {}),
        ({"side": 16}, "size_changed", {}),
        ({"rows": 4}, "rows_changed", {}),
        ({"id": None}, "role_changed", {}),
        ({}, "role_changed", {"drop": {"label_column": "source"}, "publish": {"unread": "keep"}}),
        ({}, "task_changed", {"drop": {"task": "regression", "target_column": "label"}}),
        ({"image": None, **numbers()}, "modality_changed", {}),
    ],
)
def test_a_second_drop_unlike_the_first_ends_at_a_person(
    tmp_path: Path, cleanse: Cleanse, changed: dict[str, Any], code: str, settings: dict[str, Any]
) -> None:
    assert cleanse(written(tmp_path / "first"))["state"] == "published"
    if "label_column" in settings.get("drop", {}):
        changed = {**changed, "source": ["a", "b"] * (N // 2)}
    assert code in cleanse.asked(written(tmp_path / "second", **changed), **settings)
    assert len(log(cleanse.dataset)) == 1
    assert cleanse(written(tmp_path / "third"))["version"] == 2


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_second_table_with_another_column_ends_at_a_person(tmp_path: Path, cleanse: Cleanse, ending: str) -> None:
    def drop(name: str, **extra: list[Any]) -> Path:
        (tmp_path / name).mkdir()
        columns: dict[str, list[Any]] = {
            "id": [f"{name}{row}" for row in range(N)],
            **numbers(),
            "label": FINE,
            **extra,
        }
        with (tmp_path / name / f"rows.{ending}").open("w", newline="") as file:
            writer = csv.writer(file, delimiter="," if ending == "csv" else "\t")
            writer.writerows([list(columns), *zip(*columns.values(), strict=True)])
        return tmp_path / name

    assert cleanse(drop("first"))["state"] == "published"
    asked = cleanse.asked(drop("second", depth=np.arange(N).tolist()))
    assert {"columns_changed"} <= set(asked) <= {"columns_changed", "role_changed"}
