"""Hostile files: refused with a code, in bounded memory, with nothing run and nothing read outside the drop."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import DropConfig, Limits, ingest
from telltale_core.errors import BadInput, TelltaleError
from telltale_core.modality.image.decoder import ImageDecoder
from tests.support import drops as support

PNGS = [support.make_png(seed) for seed in range(6)]
LABELS = [0, 1, 2, 0, 1, 2]


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def code_of(source: Path | str, tmp_path: Path, **settings: object) -> str:
    with pytest.raises(BadInput) as error:
        ingest(str(source), tmp_path / "drops", DropConfig(**settings))  # type: ignore[arg-type]
    return error.value.code


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")


def peak_growth_mb(good: Path, hostile: Path, tmp_path: Path) -> float:
    """Ingest a good drop, then a hostile one, in a fresh process; how much the second raised the peak, in MB."""
    script = textwrap.dedent(
        """
        import re, sys
        from pathlib import Path
        from telltale_core.drop import ingest
        from telltale_core.errors import BadInput
        def peak_kb():  # not ru_maxrss, which a child inherits from its parent
            return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
        ingest(sys.argv[1], Path(sys.argv[3]))
        before = peak_kb()
        try:
            ingest(sys.argv[2], Path(sys.argv[3]))
        except BadInput as error:
            print(error.code, file=sys.stderr)
        print((peak_kb() - before) / 1024)
        """
    )
    command = [sys.executable, "-c", script, str(good), str(hostile), str(tmp_path / "peak")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=120)
    print("GROWTH", done.stdout, done.stderr)
    return float(done.stdout)


@pytest.mark.slow
@needs_proc
def test_pixel_bombs_cost_neither_memory_nor_time(tmp_path):
    bombs = [
        support.pixel_bomb(13000, 13000),
        support.pixel_bomb(14000, 14000),
        support.pixel_bomb(10**9, 1, body=False),
    ]
    assert len(bombs[0]) < 30_000
    good = support.write_parquet(tmp_path / "good.parquet", PNGS, LABELS)
    bad = support.write_parquet(tmp_path / "bad.parquet", [*PNGS, *bombs], [*LABELS, 0, 1, 2])
    assert peak_growth_mb(good, bad, tmp_path) < 50
    decoder = ImageDecoder(DropConfig())
    durations = []
    with decoder.session():
        for _ in range(5):
            start = time.perf_counter()
            with pytest.raises(BadInput, match="too_many_pixels"):
                decoder.probe(bombs[0])
            durations.append(time.perf_counter() - start)
    assert min(durations) < 0.05


def test_a_parquet_bomb_is_refused_by_its_row_count(tmp_path):
    count = 6_000_000
    table = pa.table({"image": pa.nulls(count, support.MEDIA), "label": pa.nulls(count, pa.int64())})
    pq.write_table(table, tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 200_000
    assert code_of(tmp_path / "bomb.parquet", tmp_path) == "too_many_rows"


@pytest.mark.slow
@needs_proc
def test_a_dictionary_bomb_is_read_in_small_batches(tmp_path):
    media = pa.array([{"bytes": bytes(9 << 20), "path": None}], support.MEDIA).take(pa.array([0] * 80))
    table = pa.table({"image": media, "label": [0, 1] * 40})
    pq.write_table(table, tmp_path / "bomb.parquet", compression="zstd", use_dictionary=True)
    del table, media
    assert (tmp_path / "bomb.parquet").stat().st_size < 100_000
    good = support.write_parquet(tmp_path / "good.parquet", PNGS, LABELS)
    assert peak_growth_mb(good, tmp_path / "bomb.parquet", tmp_path) < 450


@pytest.mark.slow
def test_a_list_bomb_is_refused_by_its_value_count(tmp_path):
    values = pa.ListArray.from_arrays(pa.array([0, 20_000_000], pa.int32()), pa.nulls(20_000_000, pa.int8()))
    pq.write_table(pa.table({"pixels": values, "label": [1]}), tmp_path / "bomb.parquet")
    limits = Limits(max_row_group_bytes=64 << 20)
    assert code_of(tmp_path / "bomb.parquet", tmp_path, limits=limits) == "file_corrupt"


@pytest.mark.slow
def test_damaged_parquet_never_raises_anything_but_our_errors(tmp_path):
    data = support.write_parquet(tmp_path / "good.parquet", PNGS, LABELS, [*"abcdef"]).read_bytes()
    rng = np.random.default_rng(0)
    file = tmp_path / "bad.parquet"
    outcomes = set()
    for position in [*rng.integers(0, len(data), 60), *range(len(data) - 60, len(data))]:
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            ingest(str(file), tmp_path / "drops")
            outcomes.add("kept")
        except TelltaleError as error:
            outcomes.add(type(error).__name__)
    assert outcomes <= {"kept", "BadInput"}


@pytest.mark.parametrize("keep", [0, 3, 4, 100, -1, -8])
def test_cut_parquet_is_refused(tmp_path, keep):
    data = support.write_parquet(tmp_path / "good.parquet", PNGS, LABELS).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[:keep])
    assert code_of(tmp_path / "cut.parquet", tmp_path) == "file_corrupt"


def test_a_wrong_page_checksum_is_found(tmp_path):
    path = tmp_path / "d.parquet"
    table = pa.table({"image": PNGS, "label": LABELS})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[data.index(PNGS[3]) + 40] ^= 1
    path.write_bytes(data)
    assert code_of(path, tmp_path) == "file_corrupt"


def thrift_list(count: int, element: bytes) -> bytes:
    size = bytearray()
    while True:
        size.append((count & 0x7F) | (0x80 if count > 0x7F else 0))
        count >>= 7
        if not count:
            break
    return bytes([0xFC]) + bytes(size) + element


def test_a_footer_nested_ten_thousand_deep_does_not_kill_the_worker(tmp_path):
    depth = 10_000
    group = b"\x35\x02\x18\x01g\x15\x02\x00"  # repetition optional, name "g", one child
    leaf = b"\x15\x02\x25\x02\x18\x01l\x00"  # type int32, repetition optional, name "l"
    root = b"\x48\x01r\x15\x02\x00"
    schema = thrift_list(depth + 2, root + group * depth + leaf)
    footer = b"\x15\x02\x19" + schema + b"\x16\x00\x19\x0c\x00"
    file = tmp_path / "deep.parquet"
    file.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    script = (
        "import sys; from pathlib import Path; from telltale_core.drop import ingest\n"
        "from telltale_core.errors import BadInput\n"
        "try: ingest(sys.argv[1], Path(sys.argv[2]))\n"
        "except BadInput as error: print(error.code)\n"
    )
    command = [sys.executable, "-c", script, str(file), str(tmp_path / "drops")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout.strip()) == (0, "file_corrupt"), done.stderr[-500:]


def write_npy_pair(folder: Path, images: bytes, labels: np.ndarray) -> Path:
    folder.mkdir()
    (folder / "images.npy").write_bytes(images)
    np.save(folder / "labels.npy", labels)
    return folder


def test_an_npy_header_that_claims_745_gib_is_refused(tmp_path):
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (800_000_000, 32, 32)}
    np.lib.format.write_array_header_1_0(buffer, header)
    folder = write_npy_pair(tmp_path / "d", buffer.getvalue() + bytes(1000), np.array([0, 1]))
    assert code_of(folder, tmp_path) == "file_corrupt"


def test_an_object_array_is_not_unpickled(tmp_path):
    canary = tmp_path / "canary"
    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary(canary)] * 2, dtype=object), allow_pickle=True)
    assert code_of(write_npy_pair(tmp_path / "d", buffer.getvalue(), np.array([0, 1])), tmp_path) == "pickle_refused"
    assert not canary.exists()


@pytest.mark.parametrize("name", ["images.npy", "a.pkl", "a.pt", "a.joblib", "a.parquet", "a.csv"])
def test_pickles_are_never_loaded_whatever_they_are_called(tmp_path, name):
    canary = tmp_path / "canary"
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(pickle.dumps(Canary(canary)))
    assert code_of(tmp_path / "d", tmp_path) in {"pickle_refused", "file_corrupt", "format_unclear", "columns_unclear"}
    assert not canary.exists()


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.npz", "disguised.csv", "disguised.parquet"])
def test_archives_are_refused_and_write_nothing(tmp_path, name):
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / name
    if ".tar" in name:
        with tarfile.open(file, "w:gz" if name.endswith("gz") else "w") as archive:
            member = tarfile.TarInfo("../../escaped.png")
            member.size = len(PNGS[0])
            archive.addfile(member, io.BytesIO(PNGS[0]))
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("../../escaped.png", PNGS[0])
    before = sorted(tmp_path.rglob("*"))
    code = "file_corrupt" if name.endswith("npz") else "archive_refused"  # a member that is no array
    assert code_of(tmp_path / "in", tmp_path) == code
    assert code_of(file, tmp_path) == code
    (tmp_path / "drops").rmdir()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.server
@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "img/../../secret.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:{port}/x.png",
        "HTTP://127.0.0.1:{port}/x.png",
        "s3://bucket/x.png",
        "//127.0.0.1:{port}/x.png",
        "C:\\secret.png",
        "..\\secret.png",
        "img/\x00.png",
    ],
)
def test_paths_that_leave_the_drop_are_rejected_without_a_connection(tmp_path, take, reasons, path):
    (tmp_path / "secret.png").write_bytes(PNGS[5])
    (tmp_path / "d" / "img").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.05)
        rows = [{"file_name": path.format(port=canary.getsockname()[1]), "label": 0}]
        for index in range(4):
            (tmp_path / "d" / "img" / f"{index}.png").write_bytes(PNGS[index])
            rows.append({"file_name": f"img/{index}.png", "label": index % 2})
        (tmp_path / "d" / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
        assert reasons(take(tmp_path / "d")) == {"m.jsonl#0": "path_outside_drop"}
        with pytest.raises(TimeoutError):
            canary.accept()


@pytest.mark.parametrize("path", ["%2e%2e/secret.png", "img", ".", "img/absent.png", "~/x.png", "$HOME/x.png"])
def test_paths_to_nothing_in_the_listing_are_missing(tmp_path, take, reasons, path):
    (tmp_path / "secret.png").write_bytes(PNGS[5])
    (tmp_path / "d" / "img").mkdir(parents=True)
    rows = [{"file_name": path, "label": 0}]
    for index in range(2):
        (tmp_path / "d" / "img" / f"{index}.png").write_bytes(PNGS[index])
        rows.append({"file_name": f"img/{index}.png", "label": index})
    (tmp_path / "d" / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert reasons(take(tmp_path / "d")) == {"m.jsonl#0": "media_missing"}


def test_links_that_leave_the_drop_are_rejected_and_links_inside_are_read(tmp_path, take, reasons):
    (tmp_path / "secret.png").write_bytes(PNGS[5])
    (tmp_path / "elsewhere").mkdir()
    for index, label in enumerate(["cat", "dog"]):
        (tmp_path / "d" / label).mkdir(parents=True)
        (tmp_path / "d" / label / "0.png").write_bytes(PNGS[index])
    (tmp_path / "d" / "cat" / "out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "d" / "cat" / "in.png").symlink_to(tmp_path / "d" / "dog" / "0.png")
    (tmp_path / "d" / "cat" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "cat" / "loop").symlink_to(tmp_path / "d")
    (tmp_path / "d" / "cat" / "dangling.png").symlink_to(tmp_path / "d" / "absent.png")
    drop = take(tmp_path / "d")
    assert len(drop) == 3
    assert reasons(drop) == {
        "cat/out.png": "path_outside_drop",
        "cat/folder": "path_outside_drop",
        "cat/loop": "media_unsupported",
        "cat/dangling.png": "media_missing",
    }


def test_pipes_and_devices_do_not_block(tmp_path, take, reasons):
    for index, label in enumerate(["cat", "dog"]):
        (tmp_path / "d" / label).mkdir(parents=True)
        (tmp_path / "d" / label / "0.png").write_bytes(PNGS[index])
    os.mkfifo(tmp_path / "d" / "cat" / "pipe.png")
    assert reasons(take(tmp_path / "d")) == {"cat/pipe.png": "media_unsupported"}


@pytest.mark.parametrize("link", ["train.parquet", "m.csv", "images.npy"])
def test_data_files_that_are_links_out_of_the_drop_are_refused(tmp_path, link):
    (tmp_path / "d").mkdir()
    support.write_parquet(tmp_path / "real", PNGS, LABELS)
    (tmp_path / "d" / link).symlink_to(tmp_path / "real")
    assert code_of(tmp_path / "d", tmp_path) == "path_outside_drop"
