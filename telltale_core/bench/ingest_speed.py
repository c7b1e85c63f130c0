"""How long ingest takes beside Hugging Face ``datasets``: JPEGs in class folders, then texts in JSON lines.

``python -m telltale_core.bench.ingest_speed --images 10000 --texts 1000000``, in one process. ``datasets`` decodes and
shrinks each picture to 64 x 64, as ingest does; of texts it writes its table, learns a vocabulary as large and
writes the ids, where ingest also checks, names and copies each row and looks for near-duplicates. Printed are seconds
of processor time, of all threads: a busy machine makes them no longer than they are.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from telltale_core.drop import ingest

SIDE = 270  # such a picture of noise takes about 100 kB
DIFFERENT = 50
WORDS = 2_000
VOCABULARY = 4_096


def main(arguments: list[str] | None = None) -> None:
    """Write the drops, read each twice, and print the seconds of processor time."""
    parser = argparse.ArgumentParser(description="Ingest beside Hugging Face datasets.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--texts", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, count, write, load in (
            ("images", options.images, write_images, load_images),
            ("texts", options.texts, write_texts, load_texts),
        ):
            if not count:
                continue
            write(root / name, count)
            ours = _seconds(lambda name=name: ingest(str(root / name), root / "drops"))  # type: ignore[misc]
            theirs = _seconds(lambda name=name, load=load: load(root / name))  # type: ignore[misc]
            sys.stdout.write(f"{count:,} {name}: ingest {ours:.1f} s, datasets {theirs:.1f} s\n")


def _seconds(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def write_images(root: Path, count: int) -> None:
    """Write so many JPEGs of about 100 kB into ten class folders; they differ in their last bytes."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(min(count, DIFFERENT)):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(out, "JPEG", quality=97)
        pictures.append(out.getvalue())
    for number in range(count):
        path = root / f"c{number % 10}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures[number % DIFFERENT] + number.to_bytes(4, "big"))


def load_images(root: Path) -> None:
    """Decode every picture by the builder ``imagefolder``."""
    import datasets

    rows = datasets.load_dataset("imagefolder", data_dir=str(root), split="train", cache_dir=str(root.parent / "cache"))
    for row in rows:
        np.asarray(row["image"].convert("RGB").resize((64, 64)))


def write_texts(root: Path, count: int) -> None:
    """Write so many texts of twelve words, of two classes."""
    root.mkdir()
    rng = np.random.default_rng(0)
    with (root / "rows.jsonl").open("w") as file:
        for number in range(count):
            text = " ".join(f"w{word}" for word in rng.integers(0, WORDS, 12))
            file.write(json.dumps({"text": text, "label": number % 2}) + "\n")


def load_texts(root: Path) -> None:
    """Read every row by the builder ``json``, and map the texts to the ids of a vocabulary learnt from them."""
    import datasets
    import tokenizers

    rows = datasets.load_dataset(
        "json", data_files=str(root / "rows.jsonl"), split="train", cache_dir=str(root.parent / "cache")
    )
    tokenizer: Any = tokenizers.ByteLevelBPETokenizer(add_prefix_space=True)
    tokenizer.train_from_iterator((row["text"] for row in rows), VOCABULARY, show_progress=False)
    rows.map(lambda batch: {"ids": [encoding.ids for encoding in tokenizer.encode_batch(batch["text"])]}, batched=True)


if __name__ == "__main__":
    main()
