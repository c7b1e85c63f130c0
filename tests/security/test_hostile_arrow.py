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


def stream_of(column: pa.Array, batches: int = 1, **options: object) -> bytes:
    batch = pa.record_batch({"pixels": column, "label": pa.array([str(i % 2) for i in range(len(column))])})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    return out.getvalue()


def file_of(column: pa.Array, batches: int) -> bytes:
    batch = pa.record_batch({"pixels": column, "label": pa.array([str(i % 2) for i in range(len(column))])})
    out = io.BytesIO()
    with pa.ipc.new_file(out, batch.schema) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    return out.getvalue()


def other_footer() -> bytes:
    """A file of one batch whose footer is that of two."""
    one, two = file_of(ROWS, 1), file_of(ROWS, 2)
    lengths = [struct.unpack("<i", data[-10:-6])[0] + 10 for data in (one, two)]
    return one[: -lengths[0]] + two[-lengths[1] :]


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
    "a footer of another file": ("file_corrupt", other_footer),
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
