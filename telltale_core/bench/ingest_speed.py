"""How long ingest takes beside Hugging Face ``datasets``: JPEGs in class folders, texts in CSV, Parquet and JSON lines.

``python -m telltale_core.bench.ingest_speed --images 10000 --texts 1000000 --out FILE``, in one process, all data
generated. ``datasets`` reads each drop twice: once it only builds its table, once it also does what ingest cannot
leave out. Of pictures it decodes each and shrinks it to 64 x 64, of texts it learns a vocabulary as large and writes
the ids. Ingest also checks, hashes, names and copies each row, and looks for near-duplicates. Processor time is of
all threads: on a busy machine it is the fairer figure.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from PIL import Image

from telltale_core.drop import ingest
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.hardware import resolve_hardware

WIDTH, HEIGHT, GRAIN = 500, 375, 20
"""Pixels of a picture, and the spread of its noise: such JPEGs of quality 90 take about 100 kB."""
WORDS = 2_000
VOCABULARY = 4_096
FORMATS = ("csv", "parquet", "jsonl")
BUILDERS = {"csv": "csv", "parquet": "parquet", "jsonl": "json"}
COLUMNS = ["drop", "read by", "wall, s", "processor, s", "ingest takes"]


class Spent(NamedTuple):
    """Seconds of wall and of processor, of all threads."""

    wall_s: float
    cpu_s: float

    def row(self, drop: str, reader: str, ours: Spent | None = None) -> list[str]:
        """Return the cells of a table, with how many times as long ingest took, by wall and by processor."""
        share = "" if ours is None else f"{ours.wall_s / self.wall_s:.2f}, {ours.cpu_s / self.cpu_s:.2f} times"
        return [drop, reader, f"{self.wall_s:.1f}", f"{self.cpu_s:.1f}", share]


def main(arguments: list[str] | None = None) -> None:
    """Write the drops, read each by ingest and by ``datasets``, and print the table, or keep it as a result."""
    parser = argparse.ArgumentParser(description="Ingest beside Hugging Face datasets.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=["csv", "parquet"])
    parser.add_argument("--out", type=Path, help="a file of results, for telltale_core.bench.readme")
    options = parser.parse_args(arguments)
    kinds = [("images", options.images)] + [(kind, options.texts) for kind in options.formats]
    for kind, count in kinds:  # once small: libraries are loaded then
        _measured(kind, min(count, 40))
    rows = [row for kind, count in kinds for row in _measured(kind, count)]
    if options.out is not None:
        options.out.write_text(json.dumps(_result(rows, arguments or sys.argv[1:]), indent=1) + "\n")


def _measured(kind: str, count: int) -> list[list[str]]:
    if not count:
        return []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        drop = root / "drop"
        size_bytes = write_images(drop, count) if kind == "images" else write_texts(drop, count, kind)
        mean = f" of {size_bytes / count / 1000:.0f} kB" if kind == "images" else f" in {kind}"
        what = f"{count:,} {'JPEGs' if kind == 'images' else 'texts'}{mean}"
        ours = _spent(lambda: ingest(str(drop), root / "drops"))
        table = _spent(lambda: load(kind, drop, root / "table"))
        work, name = (decode_images, "decoded, shrunk") if kind == "images" else (learn_texts, "vocabulary, ids")
        whole = _spent(lambda: work(load(kind, drop, root / "whole")))
    rows = [
        ours.row(what, "ingest"),
        table.row(what, "`datasets`: its table alone", ours),
        whole.row(what, f"`datasets`: {name}", ours),
    ]
    sys.stdout.write("".join(" | ".join(row) + "\n" for row in rows))
    sys.stdout.flush()
    return rows


def _spent(run: Callable[[], object]) -> Spent:
    began, began_cpu = time.perf_counter(), time.process_time()
    run()
    return Spent(time.perf_counter() - began, time.process_time() - began_cpu)


def _result(rows: list[list[str]], arguments: list[str]) -> dict[str, Any]:
    libraries = ("datasets", "pyarrow", "pillow", "tokenizers")
    chip, load = resolve_hardware(ProxyConfig(device="cpu")).describe(), os.getloadavg()[2]
    return {
        "suite": "ingest_speed",
        "command": f"python -m telltale_core.bench.ingest_speed {' '.join(arguments)}",
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{chip}, {os.cpu_count()} cores, load {load:.1f}",
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries),
        "settings": f"JPEGs of {WIDTH} x {HEIGHT} pixels in ten class folders; texts of twelve words of two classes",
        "note": "",
        "columns": COLUMNS,
        "rows": rows,
    }


def write_images(root: Path, count: int) -> int:
    """Write so many JPEGs of about 100 kB into ten class folders; return the bytes of all."""
    rng, size_bytes = np.random.default_rng(0), 0
    noise = rng.normal(0, GRAIN, (2 * HEIGHT, 2 * WIDTH, 3)).astype(np.int16)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        y, x = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
        pixels = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
        pixels = (pixels + noise[y : y + HEIGHT, x : x + WIDTH]).clip(0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=90)
        path = root / f"c{number % 10}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(out.getvalue())
        size_bytes += len(out.getvalue())
    return size_bytes


def write_texts(root: Path, count: int, kind: str) -> int:
    """Write so many texts of twelve words, of two classes; return the bytes of the file."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in words) for words in rng.integers(0, WORDS, (count, 12)).tolist()]
    table, path = pa.table({"text": texts, "label": np.arange(count) % 2}), root / f"rows.{kind}"
    if kind == "csv":
        pyarrow.csv.write_csv(table, path)
    elif kind == "parquet":
        pq.write_table(table, path)
    else:
        path.write_text("".join(f'{{"text": "{text}", "label": {row % 2}}}\n' for row, text in enumerate(texts)))
    return path.stat().st_size


def load(kind: str, root: Path, cache: Path) -> Any:
    """Return the drop as ``datasets`` reads it."""
    import datasets

    datasets.disable_progress_bars()
    where = {"data_dir": str(root)} if kind == "images" else {"data_files": str(root / f"rows.{kind}")}
    return datasets.load_dataset(BUILDERS.get(kind, "imagefolder"), split="train", cache_dir=str(cache), **where)


def decode_images(rows: Any) -> None:
    """Decode every picture and shrink it as ingest does."""
    for row in rows:
        np.asarray(row["image"].convert("RGB").resize((64, 64), 2))


def learn_texts(rows: Any) -> None:
    """Learn a vocabulary of the texts and map them to its ids."""
    import tokenizers

    tokenizer: Any = tokenizers.ByteLevelBPETokenizer(add_prefix_space=True)
    tokenizer.train_from_iterator((row["text"] for row in rows), VOCABULARY, show_progress=False)
    rows.map(lambda batch: {"ids": [encoding.ids for encoding in tokenizer.encode_batch(batch["text"])]}, batched=True)


if __name__ == "__main__":
    main()
