"""Mutated files of every kind that is decoded end in samples or in a typed refusal, within memory and time.

``FUZZ=10000 pytest tests/security/test_fuzz.py -rP`` tries as many of each kind and prints time and peak memory.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import os
import resource
import shutil
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from telltale_core.drop import DropConfig, Limits
from telltale_core.drop.archives import unpack_archives
from telltale_core.drop.arrow_files import rewrite_arrow_files
from telltale_core.drop.config import Declared
from telltale_core.drop.delta_tables import keep_delta_rows
from telltale_core.drop.source import open_source
from telltale_core.drop.survey import plan_reading
from telltale_core.errors import TelltaleError
from telltale_core.modality.audio.decoder import AudioDecoder
from telltale_core.modality.image.containers import FORMATS
from telltale_core.modality.image.decoder import ImageDecoder
from telltale_core.modality.layout_spec import Packing

TRIES = int(os.environ.get("FUZZ", "60"))
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
WAVE = np.random.default_rng(0).normal(0, 0.1, 2000)
LIMITS = Limits(max_pixels=10_000, max_drop_bytes=1 << 24, max_audio_s=10)


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, format=kind)
    return out.getvalue()


def sound(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "OPUS":
        soundfile.write(out, WAVE, 48_000, format="OGG", subtype="OPUS")
    else:
        soundfile.write(out, WAVE, 16_000, format="WAV" if kind == "PIPE" else kind)
    data = out.getvalue()
    return data[:40] + b"\xff" * 4 + data[44:] if kind == "PIPE" else data


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def arrow(table: pa.Table, *, stream: bool, codec: str | None = None) -> bytes:
    out, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=codec)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def npy(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def idx(values: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return head + values.astype(np.uint8).tobytes()


def csv_of(rows: list[dict[str, object]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, [*rows[0]])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def npz() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, x=PIXELS, y=np.arange(8) % 2)
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


ROWS = [{"pixels": f"{number} 2 3 4", "label": number % 2} for number in range(6)]
TABLE = pa.table({"pixels": [[number, 2, 3, 4] for number in range(6)], "label": [0, 1] * 3})
LINES = "\n".join(map(json.dumps, ROWS)).encode()
CSV = "pixels,label,note\n" + "".join(f"{row['pixels']},{row['label']},caf\u00e9\n" for row in ROWS)
PICTURES = {f"{'ab'[number % 2]}/{number}.png": picture("PNG") for number in range(4)}
SAMPLES = {
    f"{number}.{ending}": data for number in range(4) for ending, data in (("png", picture("PNG")), ("cls", b"1"))
}
CARD = b"""---
configs:
- config_name: a
  data_files: [{split: train, path: ["[01].csv", "**/x*"]}, {split: test, path: 1.csv}]
- {config_name: default, default: true, data_dir: ., data_files: {"train": 0.csv, test: "1*"}}
---
"""
URLS = [f"data:image/png;base64,{base64.b64encode(picture('PNG')).decode()}" for _ in range(4)]
URL_ROWS = [{"image": url, "label": number % 2} for number, url in enumerate(URLS)]
LOG = f"_delta_log/{0:020d}.json"
PACKED: dict[str, dict[str, bytes]] = {
    "npy": {"images.npy": npy(PIXELS), "labels.npy": npy(np.arange(8) % 2)},
    "npz": {"images.npz": npz()},
    "idx": {"images-idx3-ubyte": idx(PIXELS), "labels-idx1-ubyte": idx(np.arange(8) % 2)},
    "idx in gz": {"images-idx3-ubyte.gz": gzip.compress(idx(PIXELS)), "labels-idx1-ubyte": idx(np.arange(8) % 2)},
    "json": {"rows.json": json.dumps(ROWS).encode()},
    "arrow": {"rows.arrow": arrow(TABLE, stream=True)},
    "feather": {"rows.feather": arrow(TABLE, stream=False)},
    "arrow in lz4": {"rows.arrow": arrow(TABLE, stream=True, codec="lz4")},
    "feather in zstd": {"rows.feather": arrow(TABLE, stream=False, codec="zstd")},
    "parquet": {"rows.parquet": parquet(TABLE)},
    "parquet of data urls": {"rows.parquet": parquet(pa.Table.from_pylist(URL_ROWS))},
    "parquet of paths": {
        "rows.parquet": parquet(pa.table({"image": [*PICTURES], "label": [0, 1] * 2})), **PICTURES,
    },
    "csv of data urls": {"rows.csv": csv_of(URL_ROWS)},
    "lines of data urls": {"rows.jsonl": "\n".join(map(json.dumps, URL_ROWS)).encode()},
    "lines": {"rows.jsonl": LINES},
    "zip of lines": {"rows.zip": zipped({"rows.jsonl": LINES})},
    "zip of pictures": {"pictures.zip": zipped(PICTURES)},
    "tar": {"pictures.tar": tarred(PICTURES)},
    "tgz": {"pictures.tgz": gzip.compress(tarred(PICTURES))},
    "webdataset": {"samples.tar": tarred(SAMPLES)},
    "csv": {"rows.csv": CSV.encode()},
    "csv in utf-16": {"rows.csv": CSV.encode("utf-16")},
    "csv in cp1252": {"rows.csv": CSV.encode("cp1252")},
    "card": {"README.md": CARD, "0.csv": CSV.encode(), "1.csv": CSV.encode()},
}  # fmt: skip
"""Small drops; the first file is mutated."""


def place(folder: Path, files: dict[str, bytes]) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def read_rows(folder: str, scratch: Path, config: DropConfig) -> None:
    """Unpack a drop, find its columns, and read and survey every row, as ingest does before it decodes."""
    shutil.rmtree(scratch, ignore_errors=True)
    source = open_source(folder, LIMITS, scratch=scratch)
    unpack_archives(source, LIMITS)
    rewrite_arrow_files(source, LIMITS)
    keep_delta_rows(source, LIMITS)
    job, plan = plan_reading(source, config, Declared())
    assert plan.rows > 0
    assert sum(len(batch.rows) for batch in job.reader.batches()) >= plan.rows


def attempt_all(data: bytes, attempt: Callable[[bytes], object]) -> None:
    """Try mutants of ``data``; anything but a result or a typed refusal fails, and so does more than 300 MB."""
    rng, begun, before = np.random.default_rng(1), time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = 0
    for _ in range(TRIES):
        mutant = bytearray(data)
        for place in rng.integers(0, len(mutant), rng.integers(1, 6)):
            mutant[place] = rng.integers(0, 256)
        begin_s = time.process_time()
        try:
            attempt(bytes(mutant[: rng.integers(len(mutant) // 2, 3 * len(mutant))]))
            kept += 1
        except TelltaleError:
            pass
        assert time.process_time() - begin_s < 5
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{TRIES:,} mutants in {time.monotonic() - begun:.1f} s, {kept:,} read, peak grew by {grown:.0f} MB")
    assert grown < 300


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures(kind: str) -> None:
    decoder = ImageDecoder(DropConfig(limits=LIMITS))
    packing = Packing(shape=(8, 8, 3), dtype="uint8", settings={"scale": 1}, rule="test")
    with decoder.session():
        attempt_all(picture(kind), lambda data: decoder.examined(data, packing))


@pytest.mark.parametrize("kind", ["WAV", "PIPE", "AIFF", "FLAC", "OGG", "OPUS", "MP3"])
def test_recordings(kind: str) -> None:
    decoder = AudioDecoder(DropConfig(limits=LIMITS))
    packing = Packing(shape=(2000,), dtype="int16", settings={"rate": 16_000, "seconds": 0.125}, rule="test")
    with decoder.session():
        attempt_all(sound(kind), lambda data: decoder.examined(data, packing))


@pytest.mark.parametrize("kind", PACKED)
def test_packed_drops(kind: str, tmp_path: Path) -> None:
    config = DropConfig(limits=LIMITS, encoding="cp1252" if "cp1252" in kind else None)
    first, *others = PACKED[kind].items()
    read_rows(place(tmp_path / "in", PACKED[kind]), tmp_path / "scratch", config)

    def attempt(data: bytes) -> None:
        read_rows(place(tmp_path / "in", {first[0]: data, **dict(others)}), tmp_path / "scratch", config)

    attempt_all(first[1], attempt)


def test_side_files_of_a_webdataset(tmp_path: Path) -> None:
    config = DropConfig(limits=LIMITS)

    def attempt(data: bytes) -> None:
        files = {f"{number}.{ending}": part for number in range(3) for ending, part in sides(data).items()}
        read_rows(place(tmp_path / "in", {"samples.tar": tarred(files)}), tmp_path / "scratch", config)

    def sides(data: bytes) -> dict[str, bytes]:
        return {"png": picture("PNG"), "json": data}

    attempt_all(b'{"label": 1, "note": {"a": [1, 2.5, null]}, "split": "train"}', attempt)


def test_logs_of_delta_tables(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    deltalake.write_deltalake(tmp_path / "table", TABLE)
    files = {str(path.relative_to(tmp_path / "table")): path.read_bytes() for path in (tmp_path / "table").rglob("*.*")}
    read_rows(place(tmp_path / "in", files), tmp_path / "scratch", DropConfig(limits=LIMITS))

    def attempt(data: bytes) -> None:
        read_rows(place(tmp_path / "in", {**files, LOG: data}), tmp_path / "scratch", DropConfig(limits=LIMITS))

    attempt_all(files[LOG], attempt)
