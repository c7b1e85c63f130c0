"""Mutated files of every kind that is decoded end in samples or in a typed refusal, within memory and time.

``FUZZ=10000 pytest tests/security/test_fuzz.py -rP`` tries as many of each kind and prints time and peak memory.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from PIL import Image

from telltale_core.drop import DropConfig, Limits
from telltale_core.drop.archives import unpack_archives
from telltale_core.drop.arrow_files import rewrite_arrow_files
from telltale_core.drop.formats import open_reader
from telltale_core.drop.source import open_source
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


def packed(kind: str) -> bytes:
    """A small drop in one file."""
    out = io.BytesIO()
    rows = [{"pixels": "1 2 3 4", "label": number % 2} for number in range(6)]
    if kind == "npz":
        np.savez_compressed(out, x=PIXELS, y=np.arange(8))
    elif kind == "idx3-ubyte.gz":
        head = struct.pack(">HBB3I", 0, 8, 3, *PIXELS.shape)
        return gzip.compress(head + PIXELS.tobytes())
    elif kind == "json":
        return json.dumps(rows).encode()
    elif kind == "arrow":
        table = pa.table({"pixels": ["1 2 3 4"] * 6, "label": list(range(6))})
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
    elif kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.jsonl", "\n".join(map(json.dumps, rows)))
    else:
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in (("0.png", picture("PNG")), ("0.cls", b"1")):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def attempt_all(data: bytes, attempt: Callable[[bytes], object]) -> None:
    """Try mutants of ``data``; anything but a result or a typed refusal fails, and so does more than 300 MB."""
    rng, begun, before = np.random.default_rng(1), time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = 0
    for _ in range(TRIES):
        mutant = bytearray(data)
        for place in rng.integers(0, len(mutant), rng.integers(1, 6)):
            mutant[place] = rng.integers(0, 256)
        begin = time.monotonic()
        try:
            attempt(bytes(mutant[: rng.integers(len(mutant) // 2, 3 * len(mutant))]))
            kept += 1
        except TelltaleError:
            pass
        assert time.monotonic() - begin < 5
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{TRIES:,} mutants in {time.monotonic() - begun:.1f} s, {kept:,} read, peak grew by {grown:.0f} MB")
    assert grown < 300


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures(kind: str) -> None:
    decoder = ImageDecoder(DropConfig(limits=LIMITS))
    packing = Packing(shape=(8, 8, 3), dtype="uint8", settings={"scale": 1}, rule="test")
    with decoder.session():
        attempt_all(picture(kind), lambda data: decoder.examined(data, packing))


@pytest.mark.parametrize("kind", ["PIPE", "FLAC", "OGG", "OPUS", "MP3"])
def test_recordings(kind: str) -> None:
    decoder = AudioDecoder(DropConfig(limits=LIMITS))
    packing = Packing(shape=(2000,), dtype="int16", settings={"rate": 16_000, "seconds": 0.125}, rule="test")
    with decoder.session():
        attempt_all(sound(kind), lambda data: decoder.examined(data, packing))


@pytest.mark.parametrize("kind", ["npz", "idx3-ubyte.gz", "json", "arrow", "zip", "tar"])
def test_packed_drops(kind: str, tmp_path: Path) -> None:
    config = DropConfig(limits=LIMITS)
    if kind.startswith("idx"):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 8) + bytes(8))

    def attempt(data: bytes) -> None:
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        (folder / f"images.{kind}").write_bytes(data)
        source = open_source(str(folder), LIMITS, scratch=tmp_path / "scratch")
        unpack_archives(source, LIMITS)
        rewrite_arrow_files(source, LIMITS)
        open_reader(source, config).columns()

    attempt_all(packed(kind), attempt)
