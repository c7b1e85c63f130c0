"""Samples of webdataset tars that have more than one picture each."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from telltale_core.drop.source import Source
from telltale_core.errors import BadInput
from tests.support import drops as support


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_second_picture_of_a_sample_is_no_input_but_a_column(tmp_path, take):
    files: dict[str, bytes] = {}
    for number in range(4):
        files |= {f"{number}.a.png": support.make_png(90 + number), f"{number}.png": support.make_png(number)}
        files |= {f"{number}.seg.png": support.make_png(50), f"{number}.cls": str(number % 2).encode()}
    drop = take(packed(tmp_path / "d.tar", files), unpack=True)
    pictures = [row["bytes"] for row in drop.payload()["image"].to_pylist()]
    assert pictures == [support.make_png(number) for number in range(4)]


def test_parts_that_differ_in_capital_letters_alone_are_refused(tmp_path, take):
    files = {"0.png": support.make_png(0), "0.PNG": support.make_png(1), "0.cls": b"1", "1.png": b"", "1.cls": b"0"}
    with pytest.raises(BadInput, match="capital letters alone"):
        take(packed(tmp_path / "d.tar", files), unpack=True)


@pytest.mark.parametrize(("ending", "passes"), [("cls", 0), ("json", 1)])
def test_sides_are_read_once_more_for_splits_only_where_a_json_part_may_name_them(
    tmp_path, take, monkeypatch, ending, passes
):
    files = {f"{number}.png": support.make_png(number) for number in range(4)}
    files |= {f"{number}.{ending}": f"{number % 2}".encode() for number in range(4)}
    if ending == "json":
        files |= {f"{number}.json": f'{{"label": {number % 2}}}'.encode() for number in range(4)}
    path, reads = packed(tmp_path / "d.tar", files), list[str]()
    read = Source.read
    monkeypatch.setattr(Source, "read", lambda self, file, most: reads.append(file.key) or read(self, file, most))
    assert len(take(path, unpack=True)) == 4
    assert sum(key.endswith(f"0.{ending}") for key in reads) == 5 + passes  # a sample thrice, and two readings
