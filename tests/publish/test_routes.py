"""Every known route by which a contributor got samples published that nobody judged, up to the publication.

Here what ``drop.toml`` says, and ordinary clean drops, about which nobody is asked; the other routes stand in
``test_routes_columns.py``, ``test_routes_media.py`` and ``test_routes_verdict.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telltale_core.publish import log
from tests.support.routes import (
    FINE,
    LABEL,
    NAMES,
    Cleanse,
    N,
    Route,
    beside,
    embedded,
    files,
    images_beside,
    images_by_folder,
    images_in_parquet,
    let_through,
    numbers,
    parquet,
    png,
    recordings,
    rows_of_a_table,
    table,
    text,
    texts,
    wav,
)  # fmt: skip


def hugging_face(folder: Path) -> Path:
    features = {"image": {"_type": "Image"}, "label": LABEL}
    return parquet(
        folder,
        features,
        id=[f"photo-{row}" for row in range(N)],
        image=embedded(png),
        label=FINE,
        source=["web", "phone"] * (N // 2),
        score=[row / N for row in range(N)],
    )


def plain_csv(folder: Path) -> Path:
    names = [NAMES[label] for label in FINE]
    return table(folder, "csv", file_name=files(folder, "img", png, "png"), label=names, source=["web"] * N)


def plain_texts(folder: Path) -> Path:
    names = [NAMES[label] for label in FINE]
    return table(folder, "jsonl", id=list(range(N)), text=[text(row) for row in range(N)], label=FINE, label_text=names)


def texts_over_lines(folder: Path) -> Path:
    lines = [f'{text(row)}, "well",\nthen goes away, row {row}' for row in range(N)]
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "plot.png").write_bytes(png(0))
    (folder / "README.md").write_text("# Things on the road")
    return table(folder, "csv", text=lines, label=[NAMES[label] for label in FINE])


def plain_recordings(folder: Path) -> Path:
    files(folder, ".", wav, "wav")
    return folder


def hugging_face_without_id(folder: Path) -> Path:
    return beside("parquet", folder)


def images_beside_alone(folder: Path) -> Path:
    return beside("csv", folder)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "parquet": images_in_parquet,
    "csv": images_beside("csv"),
    "jsonl": images_beside("jsonl"),
    "folder": images_by_folder,
    "text": texts,
    "audio": recordings,
    "recordings in folders": plain_recordings,
    "table": rows_of_a_table,
}
SIZES = {
    "text": "max_tokens = 2",
    "audio": "max_seconds = 0.01",
    "recordings in folders": "sample_rate = 1000",
    "table": "num_classes = 9",
}
WIDE = ("parquet", "csv", "jsonl", "text", "audio")


def asks(kind: str, toml: str, through: dict[str, dict[str, Any]] | None = None) -> Route:
    """A route by what ``drop.toml`` wants otherwise than the drop is read."""
    cure = f"drop.{toml.split(' = ', maxsplit=1)[0]} = "
    return Route(make=MAKERS[kind], toml=toml, code="drop_toml_asks", cure=cure, through=through)


def stated() -> Iterator[tuple[str, Route]]:
    for kind in MAKERS:
        wanted = ['task = "regression"', SIZES.get(kind, "image_size = 1")]
        wanted += ['label_column = "coarse"', 'input_column = "thumb"'] if kind in WIDE else []
        yield from ((f"{kind}: {toml}", asks(kind, toml)) for toml in wanted)
    for toml in (
        'label_columns = ["coarse"]', 'target_column = "coarse"', 'target_columns = ["coarse"]',
        'input_columns = ["thumb"]', "num_classes = 9", 'files = "b*.parquet"', 'modality = "table"',
        'format = "table"', 'task = "multilabel"',
    ):  # fmt: skip
        yield f"parquet: {toml}", asks("parquet", toml)
    for kind, toml in (
        ("csv", 'files = "b*"'), ("csv", 'format = "folder"'), ("jsonl", 'modality = "text"'),
        ("folder", 'files = "dog/*"'), ("text", "vocabulary = 512"), ("text", 'modality = "table"'),
        ("table", 'input_columns = ["height"]'), ("table", 'target_column = "weight"'),
    ):  # fmt: skip
        yield f"{kind}: {toml}", asks(kind, toml)
    size = {"drop": {"image_size": 4}}
    yield "the operator's size", asks("folder", "image_size = 2", through=size)


def labels_of_words(folder: Path) -> Path:
    names = [NAMES[label] for label in FINE]
    return table(folder, "jsonl", text=[text(row) for row in range(N)], label=names)


def targets(folder: Path) -> Path:
    return table(folder, "csv", **numbers(), label=[label + row / 7 for row, label in enumerate(FINE)])


def two_texts(folder: Path) -> Path:
    other = [f"{NAMES[FINE[-row]]} of another text, {row}" for row in range(N)]
    return table(folder, "jsonl", text=[text(row) for row in range(N)], content=other, label=FINE)


def named(make: Callable[[Path], Path], toml: str, through: dict[str, Any] | None = None) -> Route:
    """A route by a name that would change what is read."""
    settings = None if through is None else {"drop": through}
    cure = f"drop.{toml.split(' = ', maxsplit=1)[0]} = "
    return Route(make=make, toml=toml, code="drop_toml_names", cure=cure, through=settings)


def of_own_names(ending: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        photos = [f"p/{row:02d}.png" for row in range(len(FINE))]  # not in folders of classes, which would be read
        (folder / "p").mkdir(parents=True)
        for row, photo in enumerate(photos):
            (folder / photo).write_bytes(png(row))
        return table(folder, ending, photo=photos, breed=[NAMES[label] for label in FINE])

    return make


def followed(make: Callable[[Path], Path], toml: str, through: dict[str, Any]) -> Route:
    """A route by columns that nobody but ``drop.toml`` tells."""
    cure = f"drop.{toml.split(' = ', maxsplit=1)[0]} = "
    return Route(make=make, toml=toml, code="drop_toml_followed", cure=cure, through={"drop": through})


def stated_by_a_card(make: Callable[[Path], Path], states: str) -> Callable[[Path], Path]:
    """A drop whose card states the files of the splits, beside a copy of its first file of rows, ``more``."""

    def of_card(folder: Path) -> Path:
        make(folder)
        rows = next(path for path in sorted(folder.iterdir()) if path.suffix in {".parquet", ".csv"})
        (folder / f"more{rows.suffix}").write_bytes(rows.read_bytes())
        (folder / "README.md").write_text(f"---\nconfigs:\n- data_files: {states}\n---\n")
        return folder

    return of_card


def by_card(make: Callable[[Path], Path], states: str, through: str) -> Route:
    """A route by files that the drop's card leaves out, or says to be of a split that is not judged."""
    maker = stated_by_a_card(make, states)
    return Route(make=maker, code="card_files", cure="drop.files", through={"drop": {"files": through}})


ROUTES: dict[str, Route] = {
    "card: Parquet left out": by_card(hugging_face, "{train: train.parquet}", "train.parquet"),
    "card: CSV left out": by_card(plain_csv, "{train: '[!m]*.csv'}", "[!m]*.csv"),
    "card: another split": by_card(hugging_face, "{train: train.parquet, test: more.parquet}", "train.parquet"),
    **dict(stated()),
    "id: image": named(hugging_face_without_id, 'id_column = "image"', {"id_column": ""}),
    "id: label": named(hugging_face_without_id, 'id_column = "label"'),
    "id: the label of a CSV": named(images_beside_alone, 'id_column = "label"'),
    "id: the better text": named(two_texts, 'id_column = "text"'),
    "id: a column of a table": named(rows_of_a_table, 'id_column = "height"'),
    "names: another order": named(
        hugging_face_without_id, 'label_names = ["dog", "cat", "car", "bus"]', {"label_names": NAMES}
    ),
    "names: fewer": named(hugging_face_without_id, 'label_names = ["bus", "car"]'),
    "names: fewer than words": named(labels_of_words, 'label_names = ["bus", "car"]'),
    "names: on a target": named(targets, 'label_names = ["bus", "car", "cat", "dog"]'),
    "names: of folders": named(images_by_folder, 'label_names = ["a", "b", "c", "d"]'),
    "followed: CSV": followed(of_own_names("csv"), 'label_column = "breed"', {"label_column": "breed"}),
    "followed: JSON lines": followed(of_own_names("jsonl"), 'label_column = "breed"', {"label_column": "breed"}),
}


@pytest.mark.parametrize("route", list(ROUTES))
def test_what_drop_toml_says_ends_at_a_person(tmp_path: Path, cleanse: Cleanse, route: str) -> None:
    ROUTES[route].ends_at_a_person(cleanse, tmp_path / "drop")


@pytest.mark.parametrize("route", let_through(ROUTES))
def test_what_the_operator_sets_for_a_dataset_is_asked_of_nobody(tmp_path: Path, cleanse: Cleanse, route: str) -> None:
    ROUTES[route].is_let_through(cleanse, tmp_path / "drop")


def test_the_operators_columns_stand_though_drop_toml_names_others(tmp_path: Path, cleanse: Cleanse) -> None:
    drop = images_in_parquet(tmp_path / "drop")
    (drop / "drop.toml").write_text('label_column = "coarse"\ninput_column = "thumb"\n')
    outcome = cleanse(drop, drop={"label_column": "label", "input_column": "image"})
    assert (outcome["state"], set(outcome["unjudged"])) == ("published", {"thumb", "coarse"})


@pytest.mark.parametrize("toml", ['label_column = "coarse"', 'input_column = "thumb"', 'task = "regression"', ""])
def test_a_drop_in_a_bucket_ends_at_a_person(tmp_path: Path, s3_url: str, toml: str) -> None:
    import fsspec

    drop = images_in_parquet(tmp_path / "drop")
    fsspec.filesystem("s3").clear_instance_cache()
    store = fsspec.filesystem("s3")
    store.put_file(str(drop / "train.parquet"), f"{s3_url}/drop/train.parquet")
    if toml:
        store.pipe_file(f"{s3_url}/drop/drop.toml", toml.encode())
    asked = Cleanse(str(tmp_path / "work"), f"{s3_url}/clean").asked(f"{s3_url}/drop")
    assert ("drop_toml_asks" if toml else "two_labels") in asked
    assert not store.exists(f"{s3_url}/clean/_versions")


def with_a_card(folder: Path) -> Path:
    hugging_face(folder)
    (folder / "README.md").write_text("---\nconfigs:\n- data_files: [{split: train, path: train*}]\n---\n# Things\n")
    return folder


CLEAN = {
    "Hugging Face": hugging_face,
    "Hugging Face with a card": with_a_card,
    "image folder": images_by_folder,
    "CSV": plain_csv,
    "texts": plain_texts,
    "texts over several lines": texts_over_lines,
    "recordings": plain_recordings,
    "table": rows_of_a_table,
}


@pytest.mark.parametrize("kind", list(CLEAN))
def test_an_ordinary_clean_drop_is_published_without_a_person(tmp_path: Path, cleanse: Cleanse, kind: str) -> None:
    assert cleanse.asked(CLEAN[kind](tmp_path / "drop")) == {}
    assert len(log(cleanse.dataset)) == 1
