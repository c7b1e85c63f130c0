"""What the drop and security tests share: real PNG and JPEG files made here, and drops of them on disk."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
HF = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}


def make_png(seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    height, width = size
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode=None).save(buffer, format="PNG")
    return buffer.getvalue()


def make_jpeg(seed: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(make_png(seed, size))).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def write_parquet(
    path: Path,
    images: list[bytes | None],
    labels: list[object],
    ids: list[object] | None = None,
    label_type: pa.DataType | None = None,
    features: dict[str, object] | None = HF,
    **extra: list[object],
) -> Path:
    media = [None if image is None else {"bytes": image, "path": None} for image in images]
    columns: dict[str, pa.Array] = {} if ids is None else {"id": pa.array(ids)}
    columns |= {"image": pa.array(media, MEDIA), "label": pa.array(labels, label_type)}
    columns |= {name: pa.array(values) for name, values in extra.items()}
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=4)
    return path


def write_numbers(path: Path, first: int = 0, count: int = 6, **columns: list[object]) -> Path:
    """A table of two numbers and a label, whose rows say by ``x`` which they are."""
    numbers = range(first, first + count)
    frame = pd.DataFrame(
        {"x": numbers, "z": [n * n for n in numbers], "label": ["ab"[n % 2] for n in numbers], **columns}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pixel_bomb(width: int, height: int, *, bits: int = 1, body: bool = True) -> bytes:
    """A valid PNG of zeros whose rows are compressed piece by piece: never an image in memory."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width * bits + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(height if body else 0)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def of_each_kind() -> dict[str, dict[str, bytes]]:
    """Return the files of a small clean drop of recordings, of texts and of rows of a table: two classes each."""
    import soundfile

    rng = np.random.default_rng(0)
    recordings: dict[str, bytes] = {}
    for number in range(120):
        name, pitch = ("low", 300) if number % 2 else ("high", 1500)
        wave = 8000 * np.sin(2 * np.pi * rng.normal(pitch, 40) * np.arange(2000) / 8000) + rng.normal(0, 900, 2000)
        file = io.BytesIO()
        soundfile.write(file, wave.astype(np.int16), 8000, format="WAV")
        recordings[f"{name}/{number:03d}.wav"] = file.getvalue()
    words = [f"word{number}" for number in range(200)]
    texts = [
        f"t{number},{' '.join(rng.choice(words[100 * (number % 2) :][:120], 12))},{('no', 'yes')[number % 2]}"
        for number in range(300)
    ]
    rows = [
        f"r{number},{','.join(f'{value:.3f}' for value in rng.normal(number % 2, 0.7, 4))},{('cat', 'dog')[number % 2]}"
        for number in range(300)
    ]
    return {
        "audio": recordings,
        "text": {"reviews.csv": "\n".join(["id,text,label", *texts]).encode()},
        "table": {"rows.csv": "\n".join(["id,a,b,c,d,label", *rows]).encode()},
    }
