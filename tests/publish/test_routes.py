"""Every known route by which a contributor got samples published that nobody judged, walked to the publication.

What is asked depends on the drop alone, never on what a training found: each walk ends at a person, by the route's own
question. Ordinary clean drops walk the same way, and nothing but the verdict may ask about them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from telltale_core import publish, stages
from telltale_core.config import to_dict
from telltale_core.errors import NeedsReview
from telltale_core.publish.gate import of_verdict

pytestmark = pytest.mark.trains

N = 48
FINE, COARSE = [row % 4 for row in range(N)], [row % 4 // 2 for row in range(N)]
NAMES = ["bus", "car", "cat", "dog"]
MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SETTINGS: dict[str, Any] = {
    "proxy": {"epochs": 3, "width": 2, "batch_size": 16, "threads": 1, "device": "cpu", "precision": "float32"},
}
Walk = Callable[..., list[str]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One work area: what was asked but not followed changes no row, so equal drops are trained on once."""
    return str(tmp_path_factory.mktemp("work"))


@pytest.fixture
def walk(work: str, tmp_path: Path) -> Walk:
    """Walk a drop to its publication without a person; return the codes that stopped it, but for the verdict's own."""

    def go(source: Path | str, out: str = "", settings: dict[str, Any] | None = None) -> list[str]:
        destination = out or str(tmp_path / "out")
        chosen = to_dict(stages.settings_of({**SETTINGS, **(settings or {})}))
        record: Any = str(source)
        for name in ("ingest", "train", "spectrum", "cluster"):
            record = getattr(stages, name)(record, work, chosen[stages.STAGES[name].settings])
        drop, verdict = stages.open_drop(record, work), stages.folder_of(record, "cluster", work)
        lineage = {"config_digest": "c", "code_version": "v", "seed": 0}
        try:
            publish.publish(drop, verdict, destination, lineage=lineage)
        except NeedsReview as error:
            assert publish.log(destination) == []
            own = of_verdict(stages.read_record(record, "cluster", work))
            return [question.code for question in error.questions if question not in own]
        return []

    return go


def png(row: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(row).integers(0, 120, (side, side, 3), np.uint8)
    pixels[:, 2 * FINE[row] : 2 * FINE[row] + 2] += 100
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wav(row: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    time = np.arange(800) / 8000
    soundfile.write(buffer, 0.5 * np.sin(2 * np.pi * (200 + 300 * FINE[row] + row) * time), 8000, format="WAV")
    return buffer.getvalue()


def text(row: int) -> str:
    return f"a {NAMES[FINE[row]]} number {row} stands on the road"


def parquet(folder: Path, features: dict[str, Any], **columns: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    record = json.dumps({"info": {"features": features}})
    pq.write_table(pa.table(columns).replace_schema_metadata({"huggingface": record}), folder / "train.parquet")
    return folder


def table(folder: Path, ending: str, **columns: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*columns.values(), strict=True))
    with (folder / f"rows.{ending}").open("w", newline="") as file:
        if ending == "csv":
            csv.writer(file).writerows([list(columns), *rows])
        else:
            file.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    return folder


def files(folder: Path, name: str, make: Callable[[int], bytes], ending: str) -> list[str]:
    keys = [f"{name}/{NAMES[FINE[row]]}/{row:02d}.{ending}" for row in range(N)]
    for row, key in enumerate(keys):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(make(row))
    return keys


def embedded(make: Callable[[int], bytes]) -> pa.Array:
    return pa.array([{"bytes": make(row), "path": None} for row in range(N)], MEDIA)


LABEL = {"names": NAMES, "_type": "ClassLabel"}
GROUP = {"names": ["vehicle", "animal"], "_type": "ClassLabel"}


def images_in_parquet(folder: Path) -> Path:
    features = {"image": {"_type": "Image"}, "thumb": {"_type": "Image"}, "label": LABEL}
    thumbs = embedded(lambda row: png(row, 4))
    return parquet(folder, features, image=embedded(png), thumb=thumbs, label=FINE, coarse=COARSE)


def images_beside(ending: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        thumbs = files(folder, "small", lambda row: png(row, 4), "png")
        return table(folder, ending, image=files(folder, "a", png, "png"), thumb=thumbs, label=FINE, coarse=COARSE)

    return make


def images_by_folder(folder: Path) -> Path:
    files(folder, ".", png, "png")
    return folder


def texts(folder: Path) -> Path:
    thumbs = [f"one of many things that are seen outside, {row}" for row in range(N)]
    return table(folder, "jsonl", text=[text(row) for row in range(N)], thumb=thumbs, label=FINE, coarse=COARSE)


def recordings(folder: Path) -> Path:
    features = {"audio": {"_type": "Audio"}, "thumb": {"_type": "Audio"}, "label": LABEL}
    thumbs = embedded(lambda row: wav(0))
    return parquet(folder, features, audio=embedded(wav), thumb=thumbs, label=FINE, coarse=COARSE)


def rows_of_a_table(folder: Path) -> Path:
    numbers = np.random.default_rng(0).normal(size=(N, 2)) + np.array(FINE)[:, None]
    columns = {"height": numbers[:, 0].tolist(), "weight": numbers[:, 1].tolist()}
    return table(folder, "csv", **columns, label=FINE)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "parquet": images_in_parquet,
    "csv": images_beside("csv"),
    "jsonl": images_beside("jsonl"),
    "folder": images_by_folder,
    "text": texts,
    "audio": recordings,
    "table": rows_of_a_table,
}
NEEDED = {"text": "tokenizers", "audio": "soundfile"}
SIZES = {"text": "max_tokens = 2", "audio": "max_seconds = 0.01", "table": "num_classes = 9"}
WIDE = ("parquet", "csv", "jsonl", "text", "audio")


def stated() -> Iterator[tuple[str, str]]:
    for kind in MAKERS:
        yield kind, 'task = "regression"'
        yield kind, SIZES.get(kind, "image_size = 1")
        if kind in WIDE:
            yield kind, 'label_column = "coarse"'
            yield kind, 'input_column = "thumb"'


@pytest.mark.parametrize(("kind", "toml"), list(stated()))
def test_what_drop_toml_says_beyond_names_ends_at_a_person(tmp_path: Path, walk: Walk, kind: str, toml: str) -> None:
    if kind in NEEDED:
        pytest.importorskip(NEEDED[kind])
    drop = MAKERS[kind](tmp_path / "drop")
    (drop / "drop.toml").write_text(toml)
    assert "drop_toml_asks" in walk(drop)


@pytest.mark.parametrize("kind", WIDE)
def test_a_second_label_and_a_second_input_end_at_a_person_without_drop_toml(
    tmp_path: Path, walk: Walk, kind: str
) -> None:
    if kind in NEEDED:
        pytest.importorskip(NEEDED[kind])
    codes = walk(MAKERS[kind](tmp_path / "drop"))
    assert "two_labels" in codes
    assert f"unread_{'text' if kind == 'text' else 'media'}" in codes


def test_a_second_class_label_that_is_marked_where_label_is_not_ends_at_a_person(tmp_path: Path, walk: Walk) -> None:
    features = {"image": {"_type": "Image"}, "coarse": GROUP}
    drop = parquet(tmp_path / "drop", features, image=embedded(png), label=FINE, coarse=COARSE)
    assert "two_labels" in walk(drop)


def test_a_table_beside_class_folders_that_says_other_labels_ends_at_a_person(tmp_path: Path, walk: Walk) -> None:
    keys = files(tmp_path / "drop", "train", png, "png")
    drop = table(tmp_path / "drop", "csv", file_name=keys, label=FINE, coarse_label=COARSE)
    assert "two_labels" in walk(drop)


def test_a_table_of_texts_beside_class_folders_of_images_ends_at_a_person(tmp_path: Path, walk: Walk) -> None:
    pytest.importorskip("tokenizers")
    files(tmp_path / "drop", ".", png, "png")
    drop = table(tmp_path / "drop", "csv", text=[text(row) for row in range(N)], label=FINE)
    assert walk(drop) == ["media_unread"]
    assert walk(drop, settings={"drop": {"format": "table"}}) == []


@pytest.mark.parametrize("toml", ['label_column = "coarse"', 'input_column = "thumb"', 'task = "regression"', ""])
def test_a_drop_in_a_bucket_ends_at_a_person(tmp_path: Path, walk: Walk, s3_url: str, toml: str) -> None:
    import fsspec

    drop = images_in_parquet(tmp_path / "drop")
    fsspec.filesystem("s3").clear_instance_cache()
    store = fsspec.filesystem("s3")
    store.put_file(str(drop / "train.parquet"), f"{s3_url}/drop/train.parquet")
    if toml:
        store.pipe_file(f"{s3_url}/drop/drop.toml", toml.encode())
    codes = walk(f"{s3_url}/drop", f"{s3_url}/clean")
    assert ("drop_toml_asks" if toml else "two_labels") in codes
    assert not store.exists(f"{s3_url}/clean/_versions")


def test_what_the_operator_sets_for_the_dataset_is_asked_of_nobody(tmp_path: Path, walk: Walk) -> None:
    drop = images_in_parquet(tmp_path / "drop")
    (drop / "drop.toml").write_text('label_column = "coarse"\ninput_column = "thumb"\n')
    settings = {"drop": {"label_column": "label", "input_column": "image"}}
    assert walk(drop, settings=settings) == []


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


CLEAN = {
    "Hugging Face": hugging_face,
    "image folder": images_by_folder,
    "CSV": plain_csv,
    "texts": plain_texts,
    "texts over several lines": texts_over_lines,
    "recordings": plain_recordings,
    "table": rows_of_a_table,
}


@pytest.mark.parametrize("kind", list(CLEAN))
def test_an_ordinary_clean_drop_causes_no_question_but_the_verdicts(tmp_path: Path, walk: Walk, kind: str) -> None:
    if kind.startswith(("texts", "recordings")):
        pytest.importorskip(NEEDED["audio" if kind == "recordings" else "text"])
    assert walk(CLEAN[kind](tmp_path / "drop")) == []
