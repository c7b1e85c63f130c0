"""A work area that is full, read-only or no folder: a typed error that says what is needed, where, and the cure."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from telltale_core.drop import ingest
from telltale_core.drop import writers as files
from telltale_core.errors import OverBudget, StorageError
from tests.support import drops as support

PNGS = [support.make_png(seed, (40, 40)) for seed in range(6)]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return support.write_parquet(
        tmp_path / "in" / "d.parquet", PNGS * 50, [0, 1, 2] * 100, [str(i) for i in range(300)]
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 1 MiB, where this user may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_too_small_is_told_before_a_sample_is_packed(source, small_disk):
    with pytest.raises(OverBudget, match=r"300 packed samples of 4,800 bytes need 2,488,576 bytes below .*/small"):
        ingest(str(source), small_disk)
    assert not list(small_disk.iterdir())


def test_a_disk_that_fills_up_says_how_much_is_needed_and_where(source, small_disk):
    (small_disk / "other").write_bytes(bytes(1 << 19))
    fill_up = files.NpyStream.add

    def add(stream: files.NpyStream, sample: np.ndarray) -> None:
        fill_up(stream, sample)
        if not (small_disk / "filler").exists():
            with (small_disk / "filler").open("wb") as file, pytest.raises(OSError, match="No space"):
                file.write(bytes(1 << 20))

    one = support.write_parquet(source.parent / "few.parquet", PNGS * 9, [0, 1, 2] * 18)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.NpyStream, "add", add)
        patch.setattr("telltale_core.drop.budget.SPARE_BYTES", 0)
        with pytest.raises(
            OverBudget, match=r"cannot write the drop below .*/small: No space left on device; .* needed"
        ):
            ingest(str(one), small_disk)
    assert {path.name for path in small_disk.iterdir()} == {"other", "filler"}


def test_a_read_only_work_area_is_told_before_anything_is_read(source, small_disk):
    (small_disk / "drops").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match="Read-only file system; mount it writable, or choose another work area"):
        ingest("/nowhere/at/all", small_disk / "drops")


@pytest.mark.parametrize(
    ("number", "kind", "cure"),
    [
        (errno.EACCES, StorageError, "give this user the right to write there"),
        (errno.EROFS, StorageError, "mount it writable"),
        (errno.EDQUOT, OverBudget, "quota exceeded.*make room"),
        (errno.ENOSPC, OverBudget, "No space left on device.*make room"),
        (errno.EIO, StorageError, "check the file system"),
    ],
)
def test_what_the_system_says_of_the_work_area_is_told_with_its_cure(tmp_path, source, monkeypatch, number, kind, cure):
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(kind, match=f"(?i){cure}"):
        ingest(str(source), tmp_path / "drops")


def test_a_file_in_the_place_of_the_work_area_is_told(tmp_path, source):
    (tmp_path / "drops").write_text("a file")
    for place in (tmp_path / "drops", tmp_path / "drops" / "below"):
        with pytest.raises(StorageError, match="a file stands where a folder must be"):
            ingest(str(source), place)


def test_a_work_area_whose_parents_are_missing_is_made(tmp_path, source):
    assert len(ingest(str(source), tmp_path / "a" / "b" / "drops")) == 300


@pytest.mark.parametrize("stream", ["samples", "payload", "rejected", "inputs"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_any_file_of_the_drop_may_be_the_one_that_finds_the_disk_full(tmp_path, monkeypatch, stream, number):
    path = support.write_parquet(tmp_path / "d.parquet", [*PNGS, b"bad"], [0, 1, 2, 0, 1, 2, 0])
    kind = files.NpyStream if stream == "inputs" else files.ParquetStream
    add = kind.add

    def refuse(self: object, rows: object) -> None:
        name = getattr(self, "_path", None)
        if name is None or name.stem == stream:
            raise OSError(number, os.strerror(number))
        add(self, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "add", refuse)
    with pytest.raises(OverBudget, match=r"bytes were written, at least [0-9,]+ are needed, [0-9,]+ bytes are free"):
        ingest(str(path), tmp_path / "drops")
    assert not list((tmp_path / "drops").iterdir())


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_told(tmp_path, source):
    script = textwrap.dedent(
        """
        import sys; from pathlib import Path; from telltale_core.drop import ingest
        from telltale_core.errors import OverBudget
        import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        try: ingest(sys.argv[1], Path(sys.argv[2]))
        except OverBudget as error: print(error)
        """
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    command = [sys.executable, "-c", script, str(source), str(tmp_path / "drops")]
    process = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "File too large (the limit of a file's size, see ulimit -f)" in process.stdout
    assert not list((tmp_path / "drops").iterdir())


def test_a_source_that_cannot_be_read_on_is_told(tmp_path, monkeypatch):
    (tmp_path / "d.jsonl").write_text('{"image": [[1]], "label": 0}\n')
    import telltale_core.drop.readers.table_files as table

    def broken(*_: object) -> Iterator[object]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield

    monkeypatch.setattr(table, "json_rows", broken)
    with pytest.raises(StorageError, match=r"reading d\.jsonl or writing .*drops failed: Input/output error"):
        ingest(str(tmp_path / "d.jsonl"), tmp_path / "drops")


def test_memory_that_runs_out_is_told(tmp_path, source, monkeypatch):
    def too_much(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(files.NpyStream, "add", too_much)
    with pytest.raises(OverBudget, match="memory ran out"):
        ingest(str(source), tmp_path / "drops")


def test_ids_that_would_fill_the_memory_later_are_refused(tmp_path, source, monkeypatch):
    monkeypatch.setattr("telltale_core.drop.budget.available_bytes", lambda: 3_000)
    with pytest.raises(OverBudget, match=r"300 ids of up to 3 characters take 3,600 bytes .* limits\.max_id_chars"):
        ingest(str(source), tmp_path / "drops")
