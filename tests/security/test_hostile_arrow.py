"""Arrow files that state much and hold little, or two things at once: refused by code, before their rows are made."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from telltale_core.drop import Limits
from telltale_core.errors import BadInput

TEXT = "x" * (1 << 20)


def stream_of(column: pa.Array, batches: int = 1, name: str = "pixels", **options: object) -> bytes:
    batch = pa.record_batch({name: column, "label": pa.array([str(i % 2) for i in range(len(column))])})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    return out.getvalue()


def file_of(column: pa.Array, batches: int, **options: object) -> bytes:
    batch = pa.record_batch({"pixels": column, "label": pa.array([str(i % 2) for i in range(len(column))])})
    out = io.BytesIO()
    with pa.ipc.new_file(out, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    return out.getvalue()


def other_footer(batches: int, named: int) -> bytes:
    """A file of so many batches whose footer names another number."""
    one, two = file_of(ROWS, batches), file_of(ROWS, named)
    lengths = [struct.unpack("<i", data[-10:-6])[0] + 10 for data in (one, two)]
    return one[: -lengths[0]] + two[-lengths[1] :]


def unframed_and_more() -> bytes:
    """A file whose schema has no frame, as polars writes it, with more behind the schema than the footer says."""
    data = file_of(ROWS, 1)
    return data[:8] + data[16:24] + data[24:].replace(b"\xff" * 4, bytes(64) + b"\xff" * 4, 1)


def hidden() -> pa.Array:
    """Rows of short texts beside a buffer that none of them shows."""
    views = struct.pack("<i12s", 3, b"1 2") * 6
    return pa.Array.from_buffers(pa.string_view(), 6, [None, pa.py_buffer(views), pa.py_buffer(bytes(60 << 20))])


def stating(size: int) -> bytes:
    """A stream of packed buffers, one of which states that it unpacks to so much."""
    data = stream_of(pa.array([TEXT[:987_654]] * 6), compression="zstd")
    stated = struct.pack("<q", 6 * 987_654)
    assert data.count(stated) == 1
    return data.replace(stated, struct.pack("<q", size))


def null_rows() -> bytes:
    schema = pa.schema([("pixels", pa.null()), ("label", pa.null())])
    batch = pa.RecordBatch.from_arrays([pa.nulls(10_000_000)] * 2, schema=schema)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, schema) as writer:
        writer.write_batch(batch)
    return out.getvalue()


def views(count: int) -> pa.Array:
    """Rows that all show the same text."""
    one = struct.pack("<i4sii", len(TEXT), TEXT[:4].encode(), 0, 0)
    buffers = [None, pa.py_buffer(one * count), pa.py_buffer(TEXT.encode())]
    return pa.Array.from_buffers(pa.string_view(), count, buffers)


ROWS = pa.array([f"{i} 1 2 3" for i in range(6)])
ALL = pa.array([0, 3, 6], pa.int32())
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "rows without values": ("too_many_rows", null_rows),
    "nulls in a cell": (
        "file_corrupt",
        lambda: stream_of(pa.ListArray.from_arrays(pa.array([0, 2**31 - 8], pa.int32()), pa.nulls(2**31 - 8))),
    ),
    "one text many times": (
        "drop_too_large", lambda: stream_of(pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int8()), [TEXT])),
    ),
    "one view many times": ("drop_too_large", lambda: stream_of(views(200))),
    "one list many times": (
        "drop_too_large",
        lambda: stream_of(
            pa.ListViewArray.from_arrays(
                pa.array([0] * 2000, pa.int32()), pa.array([40_000] * 2000, pa.int32()), pa.array(range(40_000))
            )
        ),
    ),
    "a dictionary in a list": (
        "archive_refused", lambda: stream_of(pa.ListArray.from_arrays(ALL, ROWS.dictionary_encode())),
    ),
    "a list view in a list": (
        "archive_refused",
        lambda: stream_of(
            pa.ListArray.from_arrays(
                ALL, pa.ListViewArray.from_arrays(pa.array([0] * 6, pa.int32()), pa.array([6] * 6, pa.int32()), ROWS)
            )
        ),
    ),
    "runs": (
        "archive_refused", lambda: stream_of(pa.RunEndEncodedArray.from_arrays(pa.array([900], pa.int32()), ["1 2"])),
    ),
    "framed as of old": ("archive_refused", lambda: stream_of(ROWS, use_legacy_format=True)),
    "a file framed as of old": ("archive_refused", lambda: file_of(ROWS, 1, use_legacy_format=True)),
    "a schema without its frame, and more behind it": ("archive_refused", unframed_and_more),
    "packed to much, it says": ("file_corrupt", lambda: stating(2 << 30)),
    "packed to less, it says": ("file_corrupt", lambda: stating(5 << 20)),
    "packed to less than nothing": ("file_corrupt", lambda: stating(-2)),
    "packed to much, often": ("drop_too_large", lambda: stream_of(pa.array([TEXT] * 60), 3, compression="lz4")),
    "packed to what no row shows": ("drop_too_large", lambda: stream_of(hidden(), 3, compression="zstd")),
    "a footer of another file": ("file_corrupt", lambda: other_footer(1, 2)),
    "a batch that the footer leaves out": ("file_corrupt", lambda: other_footer(2, 1)),
    "a stream cut within its second batch": ("file_corrupt", lambda: stream_of(ROWS, 2)[:-16]),
    "two streams": ("file_corrupt", lambda: stream_of(ROWS) * 2),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_states_much_or_two_things_is_refused(tmp_path: Path, take: Callable[..., object], kind: str) -> None:
    code, write = HOSTILE[kind]
    data = write()
    assert len(data) < 2 << 20
    (tmp_path / "d.arrow").write_bytes(data)
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d.arrow", unpack=True, limits=Limits(max_drop_bytes=128 << 20))
    assert error.value.code == code, str(error.value)


def test_a_packed_buffer_over_the_limit_is_refused_before_it_is_unpacked(
    tmp_path: Path, take: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pa.ipc, "open_stream", lambda *_: pytest.fail("it was opened"))
    (tmp_path / "d.arrow").write_bytes(stating(2 << 30))
    with pytest.raises(BadInput, match="has 2147483710 bytes or values"):
        take(tmp_path / "d.arrow", unpack=True)


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_what_is_packed_is_counted_once(tmp_path: Path, take: Callable[..., object], compression: str | None) -> None:
    texts = pa.array([f"{row:010d}" * 10 for row in range(2000)])
    (tmp_path / "d.arrow").write_bytes(stream_of(texts, name="text", compression=compression))
    take(tmp_path / "d.arrow", unpack=True, limits=Limits(max_drop_bytes=330_000))
    with pytest.raises(BadInput, match="max_drop_bytes"):
        take(tmp_path / "d.arrow", unpack=True, limits=Limits(max_drop_bytes=190_000))
