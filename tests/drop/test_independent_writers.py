"""Small drops of random rows, written in every format by other libraries, give the same samples."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from telltale_core.drop import DropConfig, ingest

datasets.disable_progress_bars()
WORDS = st.text("abcdefg \u00e9\u00df", min_size=1, max_size=12).map(lambda text: f"x{text}".strip())
ROWS = st.lists(
    st.tuples(WORDS, st.sampled_from(["A b", "7", "\u00fc", "none", "NA"])), min_size=8, max_size=20
).filter(lambda rows: len({label for _, label in rows}) > 1)


def samples(write: Callable[[Path], object]) -> tuple[np.ndarray, list[str]]:
    """Return inputs and class names of the samples that ``write`` leaves in an empty folder."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "d").mkdir()
        write(Path(folder) / "d")
        drop = ingest(str(Path(folder) / "d"), Path(folder) / "drops", DropConfig(unpack=True))
        names = drop.label_names or [str(number) for number in range(drop.num_classes or 0)]
        return np.array(drop.inputs), [names[label] for label in np.asarray(drop.labels)]


def zipped(frame: pd.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", frame.to_csv(index=False))


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True)
@given(rows=ROWS)
def test_texts_are_the_same_whoever_wrote_them(rows: list[tuple[str, str]]) -> None:
    pytest.importorskip("tokenizers")
    frame = pd.DataFrame(rows, columns=["text", "label"])
    writers: list[Callable[[Path], object]] = [
        lambda d: frame.to_csv(d / "d.csv", index=False),
        lambda d: frame.to_csv(d / "d.csv", sep=";"),
        lambda d: frame.to_csv(d / "d.csv", index=False, encoding="utf-16"),
        lambda d: frame.to_csv(d / "d.csv.gz", index=False),
        lambda d: frame.to_csv(d / "d.tsv", index=False, sep="\t"),
        lambda d: frame.to_json(d / "d.jsonl", orient="records", lines=True),
        lambda d: frame.to_json(d / "d.json", orient="records", indent=1),
        lambda d: frame.to_parquet(d / "d.parquet"),
        lambda d: frame.to_feather(d / "d.arrow", compression="uncompressed"),
        lambda d: zipped(frame, d / "d.zip"),
        lambda d: datasets.Dataset.from_pandas(frame).save_to_disk(str(d / "saved")),
        lambda d: datasets.DatasetDict({"train": datasets.Dataset.from_pandas(frame)}).save_to_disk(str(d / "saved")),
    ]
    inputs, labels = samples(writers[0])
    assert labels == [label for _, label in rows]
    for write in writers[1:]:
        others, other_labels = samples(write)
        assert other_labels == labels
        np.testing.assert_array_equal(others, inputs)


def folder_of(pictures: np.ndarray, labels: list[int], kind: str, **options: object) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
            (root / f"class{label}").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / f"class{label}" / f"{number:03d}.{kind}", **options)

    return write


def webdataset(pictures: np.ndarray, labels: list[int]) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        with tarfile.open(root / "0.tar", "w") as archive:
            for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
                out = io.BytesIO()
                Image.fromarray(pixels).save(out, "PNG")
                for ending, data in (("png", out.getvalue()), ("cls", str(label).encode())):
                    info = tarfile.TarInfo(f"{number:03d}.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))

    return write


def builder(pictures: np.ndarray, labels: list[int]) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
        rows = {"image": [Image.fromarray(pixels) for pixels in pictures], "label": labels}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(root / "train-00000-of-00001.parquet"))

    return write


@pytest.mark.slow
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), count=st.integers(6, 14))
def test_pictures_are_the_same_whoever_wrote_them(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    labels = sorted(int(label) for label in (*rng.integers(0, 2, count - 2), 0, 1))
    writers: list[Callable[[Path], object]] = [
        lambda d: np.savez(d / "d.npz", x_train=pictures, y_train=np.array(labels)),
        lambda d: np.savez_compressed(d / "d.npz", images=pictures, labels=np.eye(2)[labels]),
        folder_of(pictures, labels, "png"),
        folder_of(pictures, labels, "bmp"),
        folder_of(pictures, labels, "tiff", compression="tiff_lzw"),
        folder_of(pictures, labels, "ppm"),
        folder_of(pictures, labels, "webp", lossless=True),
        webdataset(pictures, labels),
        builder(pictures, labels),
    ]
    for write in writers:
        inputs, names = samples(write)
        np.testing.assert_array_equal(inputs, pictures)
        assert [int(name.removeprefix("class")) for name in names] == labels


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_recordings_are_the_same_whoever_wrote_them(kind: str) -> None:
    waves = np.random.default_rng(0).integers(-9000, 9000, (6, 2000)).astype(np.int16)

    def write(root: Path) -> None:
        for number, wave in enumerate(waves):
            (root / f"c{number // 3}").mkdir(exist_ok=True)
            soundfile.write(root / f"c{number // 3}" / f"{number}.{kind}", wave, 8000)

    inputs, names = samples(write)
    np.testing.assert_array_equal(inputs, waves)
    assert names == ["c0"] * 3 + ["c1"] * 3
