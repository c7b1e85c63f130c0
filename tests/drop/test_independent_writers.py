"""Small drops of random rows, written in every format by other libraries, give the same samples."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
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
        lambda d: frame.to_feather(d / "d.feather"),
        lambda d: frame.to_csv(d / "d.csv", index=False, quoting=1, encoding="utf-8-sig"),
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


def gif(pictures: np.ndarray, labels: list[int]) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
            colours, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
            image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8), "P")
            image.putpalette(colours.tobytes())
            (root / f"class{label}").mkdir(exist_ok=True)
            image.save(root / f"class{label}" / f"{number:03d}.gif")

    return write


def idx(pictures: np.ndarray, labels: list[int]) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        for name, values in (("images-idx4", pictures), ("labels-idx1", np.array(labels, dtype=np.uint8))):
            header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (root / f"train-{name}-ubyte").write_bytes(header + values.tobytes())

    return write


def beside_a_table(pictures: np.ndarray, labels: list[int]) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        (root / "img").mkdir()
        for number, pixels in enumerate(pictures):
            Image.fromarray(pixels).save(root / "img" / f"{number:03d}.png")
        names = [f"img/{number:03d}.png" for number in range(len(labels))]
        pd.DataFrame({"file_name": names, "label": labels}).to_csv(root / "metadata.csv", index=False)

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
        folder_of(pictures, labels, "jp2"),
        gif(pictures, labels),
        lambda d: np.savez(d / "d.npz", images=pictures.transpose(0, 3, 1, 2), labels=np.array(labels)),
        lambda d: np.savez(d / "d.npz", images=pictures / 127.5 - 1, labels=np.array(labels)),
        lambda d: np.savez(d / "d.npz", images=(pictures / 255).astype(np.float32), labels=np.array(labels)),
        idx(pictures, labels),
        beside_a_table(pictures, labels),
        webdataset(pictures, labels),
        builder(pictures, labels),
    ]
    for write in writers:
        inputs, names = samples(write)
        np.testing.assert_array_equal(inputs, pictures)
        assert [int(name.removeprefix("class")) for name in names] == labels


def smooth(count: int) -> np.ndarray:
    """Pictures of slow waves, 16 x 16, each of its own, that a codec with losses keeps nearly as they are."""
    y, x = np.mgrid[:16, :16] / 16
    waves = [np.sin(3 * (x * (1 + n % 3) + y * (1 + channel)) + n) for n in range(count) for channel in range(3)]
    return np.stack(waves).reshape(count, 3, 16, 16).transpose(0, 2, 3, 1) * 100 + 128


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("jpg", {"quality": 98, "subsampling": 0}),
        ("avif", {"quality": 98, "subsampling": "4:4:4"}),
        ("webp", {"quality": 98}),
    ],
)
def test_pictures_packed_with_losses_keep_their_colours_and_places(kind: str, options: dict[str, object]) -> None:
    pictures = smooth(6).round().astype(np.uint8)
    inputs, _ = samples(folder_of(pictures, [0, 0, 0, 1, 1, 1], kind, **options))
    grey = np.array([0.299, 0.587, 0.114])  # of the colours, WebP and JPEG keep every second pixel alone
    assert np.abs((inputs.astype(float) - pictures) @ grey).mean() < 3


def test_flat_rows_of_planes_are_the_pictures(tmp_path: Path) -> None:
    pictures = smooth(8).round().astype(np.uint8)
    flat, labels = pictures.transpose(0, 3, 1, 2).reshape(8, -1), [0, 1] * 4
    for write in (
        lambda d: np.savez(d / "d.npz", data=flat, labels=labels),
        lambda d: pd.DataFrame({"pixels": flat.tolist(), "label": labels}).to_parquet(d / "d.parquet"),
    ):
        np.testing.assert_array_equal(samples(write)[0], pictures)


NUMBERS = st.floats(-1e4, 1e4, width=32).map(lambda number: round(number, 2))


TABLES = st.lists(
    st.tuples(NUMBERS, st.sampled_from(["Ulm", "K\u00f6ln", "Aix"]), st.sampled_from("ab")), min_size=12, max_size=20
).filter(lambda rows: len({row[2] for row in rows}) > 1 and any(row[0] % 1 for row in rows))


def delta(frame: pd.DataFrame, path: Path) -> None:
    pytest.importorskip("deltalake").write_deltalake(str(path), pa.Table.from_pandas(frame))


def arrow(frame: pd.DataFrame, path: Path, text: pa.DataType, number: pa.DataType) -> None:
    columns = {"x": pa.array(frame["x"]).cast(number), "town": pa.array(frame["town"]).cast(text)}
    labels = pa.array(frame["label"]).cast(text)
    pq.write_table(pa.table({**columns, "label": labels}), path)


@pytest.mark.slow
@settings(max_examples=4, deadline=None, derandomize=True)
@given(rows=TABLES)
def test_tables_are_the_same_whoever_wrote_them(rows: list[tuple[float, str, str]]) -> None:
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame(rows, columns=["x", "town", "label"])
    theirs = polars.DataFrame({name: frame[name].tolist() for name in frame})
    types = [
        (pa.large_string(), pa.float64()),
        (pa.dictionary(pa.int8(), pa.string()), pa.float64()),
        (pa.string(), pa.decimal128(12, 2)),
    ]
    writers: list[Callable[[Path], object]] = [
        lambda d: frame.to_csv(d / "d.csv", index=False),
        lambda d: frame.to_csv(d / "d.csv", index=False, sep=";", decimal=","),
        lambda d: frame.to_csv(d / "d.tsv", index=False, sep="\t", decimal=","),
        lambda d: frame.to_csv(d / "d.csv", index=False, quoting=1, decimal=","),
        lambda d: frame.to_json(d / "d.jsonl", orient="records", lines=True),
        lambda d: frame.to_parquet(d / "d.parquet"),
        lambda d: theirs.write_parquet(d / "d.parquet"),
        lambda d: theirs.write_csv(d / "d.csv"),
        lambda d: theirs.write_ndjson(d / "d.jsonl"),
        lambda d: theirs.write_ipc(d / "d.arrow"),
        lambda d: theirs.write_ipc(d / "d.ipc", compression="zstd"),
        lambda d: theirs.with_columns(polars.col("town").cast(polars.Categorical)).write_ipc(d / "d.feather"),
        lambda d: theirs.write_ipc_stream(d / "d.arrows", compression="lz4"),
        lambda d: delta(frame, d),
        *(lambda d, types=types: arrow(frame, d / "d.parquet", *types) for types in types),  # type: ignore[misc]
    ]
    inputs, labels = samples(writers[0])
    assert labels == frame["label"].tolist()
    for write in writers[1:]:
        others, other_labels = samples(write)
        assert other_labels == labels
        np.testing.assert_array_equal(others, inputs)


def test_folders_of_hive_hold_the_rows_of_their_table() -> None:
    frame = pd.DataFrame({"x": np.arange(12) / 4, "z": np.arange(12), "label": [*"abc"] * 4})
    inputs, labels = samples(lambda d: frame.to_parquet(d, partition_cols=["label"]))
    assert labels == sorted(frame["label"])
    np.testing.assert_array_equal(inputs, frame.sort_values("label", kind="stable")[["x", "z"]].to_numpy())


def recordings(waves: np.ndarray, rate: int, kind: str, **options: object) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        for number, wave in enumerate(waves):
            (root / f"c{number // 3}").mkdir(exist_ok=True)
            soundfile.write(root / f"c{number // 3}" / f"{number}.{kind}", wave, rate, **options)

    return write


@pytest.mark.slow
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), length=st.integers(400, 3000), rate=st.sampled_from([8000, 11_025, 16_000]))
def test_recordings_are_the_same_whoever_wrote_them(seed: int, length: int, rate: int) -> None:
    waves = np.random.default_rng(seed).integers(-9000, 9000, (6, length)).astype(np.int16)
    for kind in ("wav", "flac", "aiff"):
        inputs, names = samples(recordings(waves, rate, kind))
        np.testing.assert_array_equal(inputs[:, :length], waves)
        assert not inputs[:, length:].any()  # short ones are packed with silence behind them
        assert names == ["c0"] * 3 + ["c1"] * 3


@pytest.mark.parametrize(
    ("kind", "options"), [("mp3", {}), ("opus", {"format": "OGG", "subtype": "OPUS"}), ("ogg", {})]
)
def test_recordings_packed_with_losses_keep_their_tones(kind: str, options: dict[str, object]) -> None:
    tones = np.array([300, 500, 700, 900, 1100, 1300])
    waves = 0.4 * np.sin(2 * np.pi * tones[:, None] * np.arange(16_000) / 16_000)
    inputs, _ = samples(recordings(waves, 16_000, kind, **options))
    spectra = np.abs(np.fft.rfft(inputs.reshape(6, -1), axis=1))
    heard = spectra.argmax(axis=1) * 16_000 / inputs.reshape(6, -1).shape[1]
    np.testing.assert_allclose(heard, tones, atol=10)
