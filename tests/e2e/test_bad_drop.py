"""A drop with every kind of bad row: the rows are rejected with reasons, the rest is cleansed, whatever is found."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from telltale_core import publish

EXPECTED = {
    "bomb": "too_many_pixels",
    "truncated": "media_unreadable",
    "not-an-image": "media_unsupported",
    "label-7": "label_out_of_range",
}


def pixel_bomb() -> bytes:
    """Return a PNG of 13,000 x 13,000 pixels, one bit each, in 20 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 13000, 13000, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(13000 * (1 + 13000 // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture
def bad_drop(small_drop: Path, tmp_path: Path) -> Path:
    good = pq.read_table(small_drop / "train.parquet")
    image = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(image, format="PNG")
    png = image.getvalue()
    rows = [
        ("bomb", pixel_bomb(), 0),
        ("truncated", png[: len(png) // 2], 1),
        ("not-an-image", b"<script>alert(1)</script>", 2),
        ("label-7", png, 7),
        (good["id"][0].as_py(), png, 1),
    ]
    media = good.schema.field("image").type
    bad = pa.table(
        {
            "id": [name for name, _, _ in rows],
            "image": pa.array([{"bytes": data, "path": f"{name}.png"} for name, data, _ in rows], media),
            "label": pa.array([label for _, _, label in rows], pa.int64()),
        }
    )
    folder = tmp_path / "bad"
    folder.mkdir()
    pq.write_table(pa.concat_tables([good, bad.cast(good.schema)]), folder / "train.parquet")
    return folder


def test_bad_rows_are_rejected_with_reasons_and_the_rest_is_cleansed(
    bad_drop: Path, prefect_server: str, settings_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ["--work", str(tmp_path / "work"), "--config", str(settings_file)]
    command = ["cleanse", str(bad_drop), "--out", str(out), "--json", *options]
    shown = CliRunner().invoke(app, command)
    if shown.exit_code == 3:
        shown = CliRunner().invoke(app, [*command, "--approve", json.loads(shown.stdout)["approval"]])
    assert shown.exit_code == 0, shown.output
    counts = json.loads(shown.stdout)["counts"]
    assert (counts["ingested"], counts["rejected"]) == (605, 5)
    assert counts["published"] + counts["quarantined"] + counts["review"] == 600
    assert counts["published"] > 300, "class a may be held back by one chip's training, the other two may not"
    for name, code in EXPECTED.items():
        explanation = publish.why(out, name)
        assert (explanation.state, code in explanation.reason) == ("rejected", True), explanation
    assert publish.why(out, "train.parquet#604").state == "rejected"
    manifest: dict[str, Any] = json.loads(next((tmp_path / "work" / "drops").glob("*/manifest.json")).read_text())
    assert sum(manifest["counts"]["by_reason"].values()) == 5
    assert publish.verify(out).ok
