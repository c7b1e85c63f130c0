"""Small files that ask for much: refused with a code, and the peak memory of a fresh process is measured."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from telltale_core.drop import DropConfig, Limits, ingest
from telltale_core.drop.config import DropConfig as Config
from telltale_core.errors import BadInput, OverBudget
from telltale_core.modality.image.decoder import ImageDecoder
from telltale_core.modality.table.decoder import ColumnSurvey, TableDecoder
from tests.support import drops as support

pytestmark = pytest.mark.slow

PNGS = [support.make_png(seed) for seed in range(6)]
LABELS = [0, 1, 2, 0, 1, 2]
VALUE = 16 << 20
REPEATS = 400
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")

MEASURED = """
import json, re, sys, time
from pathlib import Path
from telltale_core.drop import DropConfig, Limits, ingest
from telltale_core.errors import TelltaleError
def kb(what):  # not ru_maxrss, which a child inherits from its parent
    return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
good, hostile, drops, settings = sys.argv[1:]
ingest(good, Path(drops))
before, start = kb("VmRSS"), time.process_time()
try:
    reasons = ingest(hostile, Path(drops), DropConfig(**json.loads(settings))).manifest["counts"]["by_reason"]
except TelltaleError as error:
    reasons = {getattr(error, "code", type(error).__name__): str(error)}
print(json.dumps([(kb("VmHWM") - before) / 1024, time.process_time() - start, reasons]))
"""


def measured(hostile: Path, tmp_path: Path, **settings: object) -> tuple[float, dict[str, object]]:
    """Ingest a good drop, then a hostile one; return by how many MB the second raised the peak, and its reasons."""
    growth, _, reasons = measured_with_time(hostile, tmp_path, **settings)
    return growth, reasons


def measured_with_time(hostile: Path, tmp_path: Path, **settings: object) -> tuple[float, float, dict[str, object]]:
    """Return the seconds of processor time as well."""
    good = support.write_parquet(tmp_path / "good.parquet", PNGS, LABELS)
    command = [sys.executable, "-c", MEASURED, str(good), str(hostile), str(tmp_path / "drops"), json.dumps(settings)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=200)
    growth, seconds, reasons = json.loads(done.stdout)
    print(f"MEASURED {growth:.0f} MB, {seconds:.1f} s, {reasons}")
    return growth, seconds, reasons


def repeated(kind: str) -> pa.Array:
    """One large value many times, held once: in one cell, or in a cell a row."""
    one = pa.DictionaryArray.from_arrays(pa.array([0] * REPEATS, pa.int32()), pa.array([bytes(VALUE)], pa.binary()))
    all_ = pa.array([0, *[REPEATS] * 6], pa.int32())
    if kind == "rows":
        return one
    if kind == "structs":
        return pa.StructArray.from_arrays([one[:30]], ["a"])
    if kind == "list":
        return pa.ListArray.from_arrays(all_, one)
    one = pa.StructArray.from_arrays([one], ["a"])
    keys = pa.array([str(number) for number in range(REPEATS)])
    return pa.MapArray.from_arrays(all_, keys, one)


@needs_proc
@pytest.mark.parametrize("kind", ["rows", "structs", "list", "map"])
def test_a_value_that_is_repeated_is_charged_for_each_time(tmp_path, kind):
    column = repeated(kind)
    rows = len(column)
    columns = {"image": [PNGS[row % 6] for row in range(rows)], "label": [row % 3 for row in range(rows)]}
    pq.write_table(pa.table({**columns, "note": column}), tmp_path / "d.parquet", compression="zstd")
    assert (tmp_path / "d.parquet").stat().st_size < 80_000
    growth, reasons = measured(tmp_path / "d.parquet", tmp_path)
    assert growth < 350
    if kind != "structs":  # each of these rows is within the limit by itself
        assert set(reasons) == {"rows": {"no_row_kept"}}.get(kind, {"row_too_long"})


@needs_proc
@pytest.mark.parametrize("kind", ["json", "prefixes"])
def test_a_value_that_cannot_be_kept_as_a_dictionary_is_read_row_by_row(tmp_path, kind):
    texts = pa.array(["x" * (4 << 20)]).take(pa.array([0] * 30))
    column = pa.ExtensionArray.from_storage(pa.json_(), texts) if kind == "json" else texts
    encoding = {"use_dictionary": kind == "json"}
    if kind == "prefixes":
        encoding["column_encoding"] = {"note": "DELTA_BYTE_ARRAY"}
    table = pa.table({"image": PNGS * 5, "label": LABELS * 5, "note": column})
    pq.write_table(table, tmp_path / "d.parquet", compression="zstd", **encoding)
    assert (tmp_path / "d.parquet").stat().st_size < 80_000
    growth, reasons = measured(tmp_path / "d.parquet", tmp_path)
    assert growth < 200
    assert set(reasons) == {"no_row_kept"}


def test_a_page_that_holds_more_than_the_footer_states_is_found_out(tmp_path):
    count, stated = 20_000_000, 2_100_000
    values = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), pa.nulls(count, pa.int8()))
    table = pa.table({"pixels": values, "label": [1]})
    pq.write_table(table, tmp_path / "d.parquet", data_page_size=1 << 30, write_statistics=False)
    data = (tmp_path / "d.parquet").read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    lie = data[footer:].replace(varint(2 * count), varint(2 * stated))
    assert lie != data[footer:]
    (tmp_path / "d.parquet").write_bytes(data[:footer] + lie)
    with pytest.raises(BadInput, match="max_row_group_bytes") as error:
        ingest(str(tmp_path / "d.parquet"), tmp_path / "x", DropConfig(limits=Limits(max_row_group_bytes=16 << 20)))
    assert error.value.code == "file_corrupt"


def varint(number: int) -> bytes:
    data = b""
    while number > 127:
        data, number = data + bytes([number & 127 | 128]), number >> 7
    return data + bytes([number])


@needs_proc
@pytest.mark.parametrize(
    ("column", "kind"), [("pixels", pa.int8()), ("label", pa.int8()), ("pixels", pa.null()), ("x", pa.list_(pa.int8()))]
)
def test_a_cell_of_millions_of_nulls_is_not_made_python_objects_and_takes_no_time(tmp_path, column, kind):
    """Seen before: 69 s of processor time. Now 1 s; the bound is that of one sample."""
    count = 18_000_000
    values = pa.ListArray.from_arrays(pa.array([0, count, count, count], pa.int32()), pa.nulls(count, kind))
    columns = {"pixels": pa.array([[1]] * 3), "label": pa.array([0, 1, 1]), column: values}
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    assert (tmp_path / "d.parquet").stat().st_size < 400_000
    growth, seconds, _ = measured_with_time(tmp_path / "d.parquet", tmp_path)
    assert growth < 900
    assert seconds < Limits().max_sample_cpu_s


@needs_proc
@pytest.mark.parametrize("piece", ["[]", '{"a":1}', '"\u00e9\U0001f40d"'])
def test_lines_are_charged_with_the_objects_that_they_become(tmp_path, piece):
    many = ",".join([piece] * ((16 << 20) // (len(piece.encode()) + 1)))
    with (tmp_path / "d.jsonl").open("w") as file:
        for number in range(3):
            file.write(json.dumps({"image": [[number]], "label": number % 2}) + "\n")
            file.write(f'{{"image": [[1]], "label": 1, "x": [{many}]}}\n')
    growth, reasons = measured(tmp_path / "d.jsonl", tmp_path)
    assert growth < 500
    assert set(reasons) == {"row_too_long"}


@needs_proc
def test_a_batch_of_lines_is_as_long_as_memory_allows(tmp_path):
    long = json.dumps([[0.5] * 1000] * 1000)
    with (tmp_path / "d.jsonl").open("w") as file:
        for number in range(6):
            file.write(f'{{"image": {long}, "label": {number % 2}, "id": {number}}}\n')
    growth, reasons = measured(tmp_path / "d.jsonl", tmp_path)
    assert growth < 350
    assert reasons == {}


@needs_proc
def test_a_quote_that_never_closes_swallows_no_more_than_a_row_may_hold(tmp_path):
    pixels = " ".join(["7"] * 16)
    with (tmp_path / "d.csv").open("w") as file:
        file.write(f'id,pixels,label\n1,{pixels},0\n2,{pixels},1\n3,"')
        for _ in range(40):
            file.write(("x" * 999 + "\n") * 1000)
    growth, reasons = measured(tmp_path / "d.csv", tmp_path)
    assert growth < 450
    assert reasons["row_too_long"] >= 1


def test_rows_after_a_record_that_never_ends_are_read(tmp_path, take):
    rows = [f"{i},{' '.join(['7'] * 16)},{i % 2}" for i in range(60)]
    lines = ["id,pixels,label", *rows[:2], '9,"', *["no row"] * 150, *rows[2:]]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    drop = take(tmp_path / "d.csv", limits=Limits(max_row_bytes=1000))
    assert drop.manifest["counts"]["by_reason"] == {"row_too_long": 1, "row_unreadable": 8}
    assert drop.sample_ids.tolist() == [str(i) for i in range(60)]


def test_a_record_that_never_ends_and_holds_rows_is_refused(tmp_path, take):
    rows = [f"{i},{' '.join(['7'] * 16)},{i % 2}" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["id,pixels,label", *rows[:2], '9,"', *rows[2:]]))
    with pytest.raises(BadInput) as error:
        take(tmp_path / "d.csv", limits=Limits(max_row_bytes=1000))
    assert error.value.code == "rows_swallowed"


def flac_of_silence(seconds: int, rate: int) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(seconds * rate, dtype=np.int16), rate, format="FLAC")
    return buffer.getvalue()


def recordings(tmp_path: Path, seconds: int, rate: int) -> Path:
    for name, data in {"a": flac_of_silence(seconds, rate), "b": flac_of_silence(1, rate)}.items():
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "0.flac").write_bytes(data)
    return tmp_path / "d"


@needs_proc
def test_a_declared_rate_and_length_do_not_decide_how_much_memory_is_taken(tmp_path):
    drop = recordings(tmp_path, 600, 1000)
    growth, reasons = measured(drop, tmp_path, sample_rate=384_000, max_seconds=600)
    assert growth < 150
    assert "max_sample_bytes" in str(reasons["OverBudget"])


@needs_proc
def test_a_long_recording_is_not_loaded_whole_to_be_packed_at_a_low_rate(tmp_path):
    drop = recordings(tmp_path, 300, 96_000)
    growth, reasons = measured(drop, tmp_path, sample_rate=1000, max_seconds=600)
    assert growth < 150
    assert "audio_too_long" in str(reasons)


def test_a_recording_of_more_values_than_the_limit_is_refused_by_its_header(tmp_path, take, reasons):
    drop = recordings(tmp_path, 60, 8000)
    (tmp_path / "d" / "a" / "1.flac").write_bytes(flac_of_silence(1, 8000))
    assert reasons(take(drop, limits=Limits(max_audio_values=60 * 8000 - 1))) == {"a/0.flac": "audio_too_long"}


@needs_proc
def test_the_largest_images_that_are_allowed_fit(tmp_path):
    for number, (name, bits) in enumerate({"a": 16, "b": 8}.items()):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "0.png").write_bytes(support.pixel_bomb(5000, 5000 - number, bits=bits))
    growth, reasons = measured(tmp_path / "d", tmp_path)
    assert growth < 350
    assert reasons == {}


@needs_proc
def test_a_folder_of_large_files_is_read_a_few_at_a_time(tmp_path):
    for number in range(48):
        folder = tmp_path / "d" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{number}.png").open("wb") as file:
            file.write(PNGS[number % 6])
            file.truncate(20 << 20)  # sparse
    growth, reasons = measured(tmp_path / "d", tmp_path)
    assert growth < 600  # 960 MB of files
    assert reasons == {}


@pytest.mark.parametrize("shape", [(1, 25_000_000), (25_000_000, 1)])
def test_a_picture_of_one_endless_line_is_refused_by_its_header(shape):
    decoder = ImageDecoder(DropConfig())
    with decoder.session(), pytest.raises(BadInput, match="max_side"):
        decoder.probe(support.pixel_bomb(*shape, body=False))


def many_chunks(count: int) -> bytes:
    png = PNGS[0]
    return png[:33] + support.chunk(b"teXt", b"") * count + png[33:]


def many_segments(count: int) -> bytes:
    jpeg = support.make_jpeg()
    return jpeg[:2] + b"\xff\xe5\x00\x02" * count + jpeg[2:]


@pytest.mark.parametrize("make", [many_chunks, many_segments])
def test_a_picture_of_endless_pieces_is_refused_and_one_of_many_is_read(make: Callable[[int], bytes]):
    decoder = ImageDecoder(DropConfig())
    with decoder.session():
        assert decoder.probe(make(5000)) == (8, 8, False)
        with pytest.raises(BadInput, match="too_many_parts"):
            decoder.probe(make(30_000))


def test_scans_times_pixels_are_bounded(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (400, 400)).save(buffer, format="JPEG", progressive=True)
    decoder = ImageDecoder(DropConfig(limits=Limits(max_pixels=160_000)))
    with decoder.session():
        assert decoder.probe(buffer.getvalue()) == (400, 400, False)
        more = buffer.getvalue()[:-2] + b"\xff\xda" * 20 + buffer.getvalue()[-2:]
        with pytest.raises(BadInput, match="too_many_scans"):
            decoder.probe(more)


def test_a_sample_or_drop_that_takes_too_long_is_refused_by_name(tmp_path, monkeypatch):
    import telltale_core.drop.budget as budget

    path = support.write_parquet(tmp_path / "d.parquet", PNGS, LABELS)
    clock = iter(range(0, 10**9, 61))
    monkeypatch.setattr(budget.time, "thread_time", lambda: float(next(clock)))
    monkeypatch.setattr(budget.time, "perf_counter", itertools.count().__next__)  # as much passes between two readings
    with pytest.raises(BadInput, match="sample_too_slow"):
        ingest(str(path), tmp_path / "drops")
    clock = iter(range(0, 10**9, 10))
    with pytest.raises(OverBudget, match=r"limits\.max_drop_cpu_s=50"):
        ingest(str(path), tmp_path / "drops", DropConfig(limits=Limits(max_drop_cpu_s=50)))


@needs_proc
def test_rejected_rows_are_written_as_they_come(tmp_path):
    noise = np.random.default_rng(0).bytes(256 << 10)
    images = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), pa.array([noise], pa.binary()))
    pq.write_table(pa.table({"image": images, "label": [0, 1] * 2000}), tmp_path / "bad.parquet")
    (tmp_path / "d").mkdir()
    (tmp_path / "bad.parquet").rename(tmp_path / "d" / "bad.parquet")
    images = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(PNGS[:2], pa.binary()))
    pq.write_table(pa.table({"image": images, "label": [0, 1]}), tmp_path / "d" / "good.parquet")
    growth, reasons = measured(tmp_path / "d", tmp_path)
    assert growth < 700  # 1,000 MB of evidence
    assert reasons == {"media_unsupported": 4000}


def test_rejected_rows_can_be_read_back_in_parts(tmp_path, take):
    images = [*PNGS[:2], *[np.random.default_rng(n).bytes(200_000) for n in range(300)]]
    drop = take(support.write_parquet(tmp_path / "d.parquet", images, [0, 1, *[0] * 300]))
    parts = list(drop.rejected_batches())
    assert pa.concat_tables(parts).equals(drop.rejected())
    assert len(parts) > 1
    assert max(part.nbytes for part in parts) < 100 << 20


def test_a_column_of_long_or_many_texts_is_counted_without_being_held():
    decoder = TableDecoder(Config())
    for number in range(300):
        decoder.probe({"a": f"{number} " + "x" * 100_000, "b": 1.0})
    column = decoder._columns["a"]
    assert len(column.texts) == 300
    assert sum(map(len, column.texts)) < 300 * 200
    decoder._budget.remaining = 0
    decoder.probe({"a": "new", "b": 1.0})
    assert (len(column.texts), column.other_texts) == (300, 1)
    assert isinstance(column, ColumnSurvey)


def test_packed_samples_that_the_disk_cannot_hold_are_refused_before_any_is_made(tmp_path, monkeypatch):
    import telltale_core.drop.budget as budget

    path = support.write_parquet(tmp_path / "d.parquet", PNGS, LABELS)
    monkeypatch.setattr(budget.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(
        OverBudget, match=r"6 packed samples of 192 bytes need 1,049,728 bytes below .*drops, 1,000 are"
    ):
        ingest(str(path), tmp_path / "drops")
    assert not list((tmp_path / "drops").iterdir())
