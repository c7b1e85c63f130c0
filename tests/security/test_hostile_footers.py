"""Parquet footers of which pyarrow ends the process as soon as it is asked about a column, and odd pages: refused."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import BadInput

SIZES = bytes.fromhex("3c 29 06 19 26 00 0c 00 00 00")
"""Field 16 of a column chunk, its last: no repetition levels, definition levels of six rows; then the ends of three."""
FOOTERS: dict[str, bytes] = {
    "levels of a list": bytes.fromhex("3c 29 26 00 0c 19 06 00 00 00"),
    "too many levels": bytes.fromhex("3c 29 06 19 36 00 0c 00 00 00 00"),
    "bytes of a text": bytes.fromhex("3c 16 0c 19 06 19 26 00 0c 00 00 00"),
    "an encrypted column": SIZES[:-1] + bytes.fromhex("5c 2c 19 18 01 78 00 00 00"),
    "sizes twice": bytes.fromhex("3c 29 26 00 0c 19 06 00 0c 20 29 06 19 26 00 0c 00 00 00"),
    "a list of another kind": bytes.fromhex("3c 29 06 19 23 00 0c 00 00 00"),
}


def footer_of(data: bytes) -> int:
    return struct.unpack("<i", data[-8:-4])[0]


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return a Parquet file with this change in its footer, whose size is corrected."""
    assert old in data[-8 - footer_of(data) :]
    other = data.replace(old, new)
    return other[:-8] + struct.pack("<i", footer_of(data) + len(other) - len(data)) + other[-4:]


def rows() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"n": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], "label": [0, 1] * 3}), out)
    return out.getvalue()


@pytest.mark.parametrize("kind", FOOTERS)
def test_a_column_that_pyarrow_cannot_describe_is_refused(
    tmp_path: Path, take: Callable[..., object], kind: str
) -> None:
    (tmp_path / "d.parquet").write_bytes(changed(rows(), SIZES, FOOTERS[kind]))
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d.parquet")
    assert error.value.code == "file_corrupt"


def test_a_field_of_another_kind_is_passed_over_as_pyarrow_does(tmp_path: Path, take: Callable[..., object]) -> None:
    (tmp_path / "d.parquet").write_bytes(changed(rows(), SIZES, bytes.fromhex("3c 26 00 19 26 00 0c 00 00 00")))
    assert len(take(tmp_path / "d.parquet")) == 6  # type: ignore[arg-type]


def test_a_row_group_of_fewer_columns_is_refused(tmp_path: Path, take: Callable[..., object]) -> None:
    data = rows()
    begin = data.rindex(bytes.fromhex("19 2c 26 00 1c"))  # the list of two columns
    second = data.index(SIZES, begin) + len(SIZES)
    end = data.index(SIZES, second) + len(SIZES)
    shorter = data[:begin] + b"\x19\x1c" + data[begin + 2 : second] + data[end:]
    (tmp_path / "d.parquet").write_bytes(
        shorter[:-8] + struct.pack("<i", footer_of(data) + len(shorter) - len(data)) + shorter[-4:]
    )
    with pytest.raises(BadInput, match="1 columns, where the schema has 2") as error:
        take(tmp_path / "d.parquet")
    assert error.value.code == "file_corrupt"


def test_a_page_whose_kind_is_a_list_is_refused(tmp_path: Path, take: Callable[..., object]) -> None:
    data = rows()
    assert data[4:6] == b"\x15\x04"  # the kind of the first page, a number
    (tmp_path / "d.parquet").write_bytes(data[:4] + b"\x19" + data[5:])
    with pytest.raises(BadInput, match="a page header without a kind") as error:
        take(tmp_path / "d.parquet")
    assert error.value.code == "file_corrupt"


@pytest.mark.parametrize("name", ["text", "split"])
def test_a_cell_that_names_no_value_of_its_dictionary_is_refused(
    tmp_path: Path, take: Callable[..., object], name: str
) -> None:
    out, columns = io.BytesIO(), {"text": ["one text", "two texts"] * 32, "label": [0, 1, 1, 0] * 16}
    columns |= {"split": ["train", "test"] * 32} if name == "split" else {}
    pq.write_table(
        pa.table(columns).select([name, *(other for other in columns if other != name)]), out, compression="none"
    )
    data, places = out.getvalue(), b"\x01\x11" + b"\xaa" * 8  # two values by turns, a bit each
    assert places in data
    (tmp_path / "d.parquet").write_bytes(data.replace(places, bytes.fromhex("02 80 01 03") + bytes(6), 1))  # 64 times 3
    with pytest.raises(BadInput, match="a cell names value 3 of 2") as error:
        take(tmp_path / "d.parquet")
    assert error.value.code == "file_corrupt"


def test_the_file_itself_is_read(tmp_path: Path, take: Callable[..., object]) -> None:
    (tmp_path / "d.parquet").write_bytes(rows())
    assert len(take(tmp_path / "d.parquet")) == 6  # type: ignore[arg-type]
