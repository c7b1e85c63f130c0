"""Archives that ask for much, never end, or hide what they hold: refused by code, within one budget for a drop."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from telltale_core.drop import Limits
from telltale_core.errors import BadInput
from tests.support import drops as support

SMALL = Limits(max_drop_bytes=1 << 20, max_files=50)
PNGS = {f"{'ab'[i % 2]}/{i}.png": support.make_png(i) for i in range(6)}


@pytest.fixture
def refusal(take):
    """The code by which a packed drop is refused, and what is said."""

    def refused(path: Path, **settings: object) -> tuple[str, str]:
        with pytest.raises(BadInput) as error:
            take(path, unpack=True, **settings)
        return error.value.code, str(error.value)

    return functools.partial(refused, limits=SMALL)


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, form: int = tarfile.GNU_FORMAT) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(form)


def tar(path: Path, *blocks: bytes) -> Path:
    path.write_bytes(b"".join(blocks) + bytes(1024))
    return path


def test_folders_links_and_unknown_kinds_are_counted(tmp_path, refusal):
    for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, b"Z"):
        path = tar(tmp_path / "d.tar", *(header(f"a{i}", kind) for i in range(60)))
        assert refusal(path)[0] == "drop_too_large"
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for i in range(60):
            archive.writestr(f"a{i}/", b"")
    assert refusal(tmp_path / "d.zip")[0] == "drop_too_large"


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"Z"])
def test_what_a_member_states_is_refused_before_it_is_passed_over(tmp_path, refusal, kind):
    with gzip.open(tmp_path / "d.tar.gz", "wb") as file:
        file.write(header("a/0.png", kind, 64 << 20))
    assert refusal(tmp_path / "d.tar.gz")[0] == "drop_too_large"


def test_a_member_of_negative_size_does_not_lead_back(tmp_path, refusal):
    assert refusal(tar(tmp_path / "d.tar", header("a/0.png", b"Z", -1024)))[0] == "file_corrupt"
    record = b"13 size=-512\n"
    path = tar(
        tmp_path / "p.tar", header("p", tarfile.XHDTYPE, len(record)), record.ljust(512, b"\0"), header("a/0.png")
    )
    assert refusal(path)[0] == "file_corrupt"


def test_extended_headers_are_few(tmp_path, refusal):
    long = header("p", tarfile.XHDTYPE, 512) + b"512 comment=".ljust(511, b"x") + b"\n"
    assert refusal(tar(tmp_path / "d.tar", long * 40, header("a/0.png")))[0] == "file_corrupt"
    record = b"".join(b"8 k%02d=x\n" % i for i in range(50)) + b"".join(b"10 k%03d=x\n" % i for i in range(100, 150))
    many = header("g", tarfile.XGLTYPE, len(record)) + record.ljust(-(-len(record) // 512) * 512, b"\0")
    assert refusal(tar(tmp_path / "g.tar", many, header("a/0.png"), header("a/1.png")))[0] == "file_corrupt"


def pax(data: bytes, name: str = "a/0.png") -> bytes:
    return header("p", tarfile.XHDTYPE, len(data)) + data.ljust(-(-len(data) // 512) * 512, b"\0") + header(name)


def comment(size: int) -> bytes:
    return f"{size} comment=".encode().ljust(size - 1, b"x") + b"\n"


def test_extended_headers_take_little_time_each_and_count_together(tmp_path, refusal):
    since = time.thread_time()
    assert refusal(tar(tmp_path / "n.tar", pax(b"1" * (16 << 10))))[0] == "file_corrupt"
    assert time.thread_time() - since < 0.5
    assert refusal(tar(tmp_path / "l.tar", pax(comment(17 << 10))))[0] == "file_corrupt"
    path = tar(tmp_path / "m.tar", *(pax(comment(15 << 10), f"a/{i}.png") for i in range(80)))
    assert refusal(path, limits=Limits(max_drop_bytes=1 << 20, max_files=10_000))[0] == "drop_too_large"


def packed(names: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_a_tar_that_goes_on_after_its_end_or_has_none_is_refused(tmp_path, refusal, ending):
    pack = gzip.compress if ending == "tar.gz" else bytes
    whole = packed(PNGS)
    fourth = 4 * (512 + -(-len(next(iter(PNGS.values()))) // 512) * 512)
    assert whole[fourth : fourth + 7] == b"a/4.png"
    for data in (whole + packed({"b/9.png": b"x"}), whole[:fourth], whole + b"x"):
        (tmp_path / f"d.{ending}").write_bytes(pack(data))
        assert refusal(tmp_path / f"d.{ending}")[0] == "file_corrupt"
    (tmp_path / f"d.{ending}").write_bytes(pack(whole + bytes(2 << 20)))
    assert refusal(tmp_path / f"d.{ending}")[0] == "drop_too_large"


def test_a_sparse_file_is_refused(tmp_path, refusal):
    assert refusal(tar(tmp_path / "d.tar", header("a/0.png", tarfile.GNUTYPE_SPARSE)))[0] == "archive_refused"
    record = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    path = tar(
        tmp_path / "p.tar", header("p", tarfile.XHDTYPE, len(record)), record.ljust(512, b"\0"), header("a/0.png")
    )
    assert refusal(path)[0] == "archive_refused"


def test_a_tar_that_is_damaged_in_its_middle_does_not_end_there(tmp_path, refusal):
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        for name, data in PNGS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    data = bytearray((tmp_path / "d.tar").read_bytes())
    data[data.index(b"a/2.png") + 150] ^= 1
    (tmp_path / "d.tar").write_bytes(data)
    assert refusal(tmp_path / "d.tar")[0] == "file_corrupt"


@pytest.mark.parametrize(("ending", "pack"), [("bz2", bz2.compress), ("xz", lzma.compress)])
def test_tars_that_unpack_in_one_piece_are_refused_with_the_cure(tmp_path, refusal, ending, pack):
    path = tar(tmp_path / "d.tar", header("a/0.png"))
    (tmp_path / f"d.tar.{ending}").write_bytes(pack(path.read_bytes()))
    code, text = refusal(tmp_path / f"d.tar.{ending}")
    assert code == "archive_refused"
    assert "unpack it, then ingest the folder" in text
    assert "drop.unpack" not in text
    (tmp_path / "e.tar").write_bytes(pack(bytes(1 << 20)))
    assert refusal(tmp_path / "e.tar")[0] == "file_corrupt"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["d.zip", "d.npz"])
def test_zip_members_that_unpack_in_one_piece_are_refused(tmp_path, refusal, method, name):
    with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
        archive.writestr("a/0.png", bytes(1000))
    code, text = refusal(tmp_path / name)
    assert (code, "by deflate" in text) == ("archive_refused", True)


def test_a_directory_of_too_many_members_is_refused_as_it_is_read(tmp_path, refusal):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a.png", b"x")
    data = (tmp_path / "d.zip").read_bytes()
    begin, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    many = data[begin:end] * 30_000
    tail = bytearray(data[end:])
    tail[12:16] = len(many).to_bytes(4, "little")
    for name in ("d.zip", "d.npz"):
        (tmp_path / name).write_bytes(data[:begin] + many + tail)
        code, text = refusal(tmp_path / name, limits=Limits(max_files=50))
        assert (code, "lists more than" in text) == ("drop_too_large", True)


def test_one_budget_holds_for_all_that_a_drop_unpacks(tmp_path, refusal):
    (tmp_path / "d").mkdir()
    for number in range(3):
        with zipfile.ZipFile(tmp_path / "d" / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", bytes(400 << 10))
    assert refusal(tmp_path / "d")[0] == "drop_too_large"
    (tmp_path / "n").mkdir()
    for name in ("x", "y", "ids"):
        np.savez_compressed(tmp_path / "n" / f"{name}.npz", **{name: np.zeros(400 << 10, np.uint8)})
    assert refusal(tmp_path / "n")[0] == "drop_too_large"
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        np.savez_compressed(tmp_path / "x.npz", x=np.zeros(800 << 10, np.uint8), y=np.zeros(8))
        archive.write(tmp_path / "x.npz", "x.npz")
        archive.writestr("README.md", bytes(400 << 10))
    assert refusal(tmp_path / "mixed.zip")[0] == "drop_too_large"
