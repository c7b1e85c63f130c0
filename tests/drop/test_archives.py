"""Zips, tars, webdatasets and Arrow files are read as what they hold, within limits; no member is written by name."""

from __future__ import annotations

import functools
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import Limits
from telltale_core.drop.accounting import accounted_lines
from telltale_core.errors import BadInput
from tests.support import drops as support

datasets.disable_progress_bars()
FILES = {f"pets/{'ab'[i % 2]}/{i}.png": support.make_png(i) for i in range(6)}


@pytest.fixture
def take(take):
    """Packed drops are read where the operator says so alone."""
    return functools.partial(take, unpack=True)


def pack_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def pack_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.tgz"])
def test_an_archive_of_class_folders_is_the_folder(tmp_path, take, name):
    (tmp_path / "d").mkdir()
    packed = (pack_zip if name.endswith("zip") else pack_tar)(tmp_path / "d" / name, FILES)
    for key, data in FILES.items():
        (tmp_path / "plain" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / key).write_bytes(data)
    plain = take(tmp_path / "plain")
    for source in (packed, tmp_path / "d"):
        drop = take(source)
        assert drop.label_names == ("a", "b")
        assert (drop.inputs == plain.inputs).all()
    assert {path.name for path in tmp_path.iterdir()} == {"d", "plain", "drops"}


def test_a_table_in_a_zip_is_read(tmp_path, take):
    text = "pixels,label\n" + "".join(f"{i} 1 2 3,{i % 2}\n" for i in range(6))
    assert len(take(pack_zip(tmp_path / "d.zip", {"rows.csv": text.encode()}))) == 6


def test_webdataset_tars_are_samples_of_their_parts(tmp_path, take):
    (tmp_path / "d").mkdir()
    for shard in range(2):
        files: dict[str, bytes] = {}
        for i in range(4):
            name = f"{shard}{i:03d}"
            files |= {f"{name}.png": support.make_png(4 * shard + i), f"{name}.cls": str(i % 2).encode()}
            files[f"{name}.json"] = json.dumps({"camera": f"c{i}"}).encode()
        pack_tar(tmp_path / "d" / f"{shard}.tar", files)
    drop = take(tmp_path / "d")
    assert (drop.manifest["inferred"]["format"], len(drop), drop.num_classes) == ("webdataset", 8, 2)
    assert drop.payload()["camera"].to_pylist() == ["c0", "c1", "c2", "c3"] * 2


@pytest.mark.parametrize("name", ["../x/1.png", "/a/1.png", "a/../../b.png"])
def test_a_member_that_leads_out_is_refused(tmp_path, take, name):
    for path in (pack_zip(tmp_path / "d.zip", {name: b"x"}), pack_tar(tmp_path / "d.tar", {name: b"x"})):
        with pytest.raises(BadInput, match="leads out") as error:
            take(path)
        assert error.value.code == "archive_refused"


def test_what_unpacks_to_too_much_is_refused(tmp_path, take):
    path = pack_zip(tmp_path / "d.zip", {"a/1.png": bytes(10 << 20), "b/1.png": bytes(10 << 20)})
    with pytest.raises(BadInput, match="unpacks to more") as error:
        take(path, limits=Limits(max_drop_bytes=1 << 20))
    assert error.value.code == "drop_too_large"


def test_an_extended_header_that_would_fill_the_memory_is_refused(tmp_path, take):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 50 << 20
    (tmp_path / "d.tar").write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(50 << 20) + bytes(1024))
    with pytest.raises(BadInput, match="cannot be unpacked") as error:
        take(tmp_path / "d.tar")
    assert error.value.code == "file_corrupt"


def test_a_link_in_an_archive_is_left_out(tmp_path, take):
    path = pack_tar(tmp_path / "d.tar", FILES)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("pets/a/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    drop = take(path)
    assert drop.manifest["accounting"]["files"]["ignored"]["a link or device in an archive"]["count"] == 1


def test_archives_called_as_splits_are_splits_and_other_names_are_no_classes(tmp_path, take):
    for names in (("train.zip", "test.zip"), ("one.zip", "two.zip"), ("signs-train-0.tar", "signs-test.tar")):
        folder = tmp_path / names[0]
        folder.mkdir()
        for place, name in enumerate(names):
            files = {f"{'ab'[i % 2]}/{place}{i}.png": support.make_png(10 * place + i) for i in range(6)}
            (pack_zip if name.endswith("zip") else pack_tar)(folder / name, files)
        drop = take(folder)
        assert drop.label_names == ("a", "b")
        assert len(drop) == (12 if names[0] == "one.zip" else 6)
        assert (drop.manifest["accounting"].get("splits") or {}).get("read") == (None if len(drop) == 12 else "train")


def test_an_archive_called_extra_is_a_split_beside_train_and_test(tmp_path, take):
    for place, name in enumerate(("train.zip", "test.zip", "extra.zip")):
        files = {f"{'ab'[i % 2]}/{i}.png": support.make_png(10 * place + i) for i in range(6)}
        pack_zip(tmp_path / name, files | {"README.md": b"hello"})
    drop = take(tmp_path)
    assert (len(drop), drop.manifest["accounting"]["splits"]["read"]) == (6, "train")
    assert {"split test", "split extra"} <= drop.manifest["accounting"]["files"]["ignored"].keys()


@pytest.mark.parametrize(
    ("beside", "where"),
    [({}, "in an archive"), ({"b/0.png": b"x"}, "beside other files than archives and tables")],
)
def test_an_archive_that_stays_packed_says_why_and_what_to_do(tmp_path, take, beside, where):
    (tmp_path / "d").mkdir()
    inner = pack_zip(tmp_path / "train.zip", FILES).read_bytes()
    pack_zip(tmp_path / "d" / "all.zip", {"train.zip": inner})
    for name, data in beside.items():
        (tmp_path / "d" / name).parent.mkdir()
        (tmp_path / "d" / name).write_bytes(data)
    with pytest.raises(BadInput, match=f"was not unpacked, for it lies {where}: unpack it and ingest the folder"):
        take(tmp_path / "d")


def test_shards_of_a_webdataset_are_parted_by_the_splits_in_their_names(tmp_path, take):
    (tmp_path / "d").mkdir()
    for name in ("train-000", "train-001", "test-000"):
        files = {f"{i}.png": support.make_png(i) for i in range(4)} | {f"{i}.cls": b"%d" % (i % 2) for i in range(4)}
        pack_tar(tmp_path / "d" / f"{name}.tar", files)
    drop = take(tmp_path / "d")
    assert (drop.manifest["inferred"]["format"], len(drop)) == ("webdataset", 8)
    assert len(take(tmp_path / "d", split="test")) == 4


@pytest.mark.parametrize("name", ["d.zip", "d.tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_all_read(tmp_path, take, name):
    (tmp_path / name).touch()
    pairs = [*FILES.items(), ("pets/a/0.png", support.make_png(70)), ("pets/a/0.png", support.make_png(71))]
    if name == "d.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for key, data in pairs:
                archive.writestr(key, data)
    else:
        with tarfile.open(tmp_path / name, "w") as archive:
            for key, data in pairs:
                info = tarfile.TarInfo(key)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    drop = take(tmp_path / name)
    assert len(drop) == 8
    assert {"pets/a/0.png", "pets/a/0~2.png", "pets/a/0~3.png"} < set(drop.samples()["source"].to_pylist())
    assert len(set(drop.samples()["content_sha256"].to_pylist())) == 8


def test_what_datasets_saves_to_disk_is_read_as_its_parquet(tmp_path, take):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [{"bytes": support.make_png(i), "path": None} for i in range(6)], "label": [0, 1] * 3}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    arrow = next((tmp_path / "saved").glob("*.arrow"))
    for cached in ("cache-1f2e.arrow", "cache-1f2e_00000_of_00002.arrow", "tmp.lock"):
        shutil.copy(arrow, tmp_path / "saved" / cached)
    drop = take(tmp_path / "saved")
    assert (drop.label_names, len(drop)) == (("cat", "dog"), 6)
    assert drop.inputs.shape == (6, 8, 8, 3)
    assert drop.manifest["accounting"]["files"]["ignored"]["a cache of datasets"]["count"] == 3


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_files_hold_what_parquet_does(tmp_path, take, kind):
    images, labels = [support.make_png(i) for i in range(6)], [0, 1, 2] * 2
    table = pq.read_table(support.write_parquet(tmp_path / "p.parquet", list(images), list(labels)))
    writer = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with writer(tmp_path / "d.arrow", table.schema) as out:
        out.write_table(table)
    assert take(tmp_path / "d.arrow").payload() == take(tmp_path / "p.parquet").payload()
    for codec in ("zstd", "lz4"):
        with writer(tmp_path / "z.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as out:
            out.write_table(table)
        assert take(tmp_path / "z.arrow").payload() == table
    whole = (tmp_path / "d.arrow").read_bytes()
    for cut in (-300, -12, -4):
        (tmp_path / "cut.arrow").write_bytes(whole[:cut])
        with pytest.raises(BadInput) as error:
            take(tmp_path / "cut.arrow")
        assert error.value.code == "file_corrupt"
    if kind == "stream":
        (tmp_path / "unmarked.arrow").write_bytes(whole[:-8])
        assert take(tmp_path / "unmarked.arrow").payload() == table


def arrow_bytes(table: pa.Table, *, stream: bool) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue()


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def npz_bytes(first: int) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, x=np.arange(first, first + 96, dtype=np.uint8).reshape(6, 4, 4), y=np.arange(6) % 2)
    return sink.getvalue()


def put_before_directory(data: bytes, what: bytes) -> bytes:
    """A zip with more between its last member and its directory, whose place is corrected."""
    place, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    place_again = (place + len(what)).to_bytes(4, "little")
    return data[:place] + what + data[place:end] + data[end : end + 16] + place_again + data[end + 20 :]


def put_before(data: bytes, what: bytes) -> bytes:
    """A zip with more before its first member, with all places corrected."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {info.filename: old.read(info) for info in old.infolist()}
    sink = io.BytesIO(what)
    sink.seek(len(what))
    with zipfile.ZipFile(sink, "w") as new:
        for name, part in parts.items():
            new.writestr(name, part)
    return sink.getvalue()


@pytest.mark.parametrize("marker", [b"PK00", b"PK\x07\x08"])
def test_a_zip_that_became_one_segment_is_read(tmp_path, take, marker):
    (tmp_path / "d.zip").write_bytes(put_before(pack_zip(tmp_path / "old.zip", FILES).read_bytes(), marker))
    assert len(take(tmp_path / "d.zip")) == 6


def test_a_zip_with_another_one_between_its_members_is_refused(tmp_path, take):
    hidden = pack_zip(tmp_path / "hidden.zip", {"pets/a/9.png": support.make_png(9)}).read_bytes()
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, (name, data) in enumerate(FILES.items()):
            if number == 3:
                sink.seek(archive.start_dir)
                sink.write(hidden)
                archive.start_dir = sink.tell()
            archive.writestr(name, data)
    (tmp_path / "d.zip").write_bytes(sink.getvalue())
    with pytest.raises(BadInput, match=r"has more behind its member 'pets/a/2\.png', maybe another archive"):
        take(tmp_path / "d.zip")


class Pipe(io.RawIOBase):
    """What is written, without a place to go back to."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += bytes(data)
        return len(data)


def test_a_zip_whose_members_end_with_descriptors_is_read(tmp_path, take):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    (tmp_path / "d.zip").write_bytes(pipe.data)
    assert b"PK\x07\x08" in pipe.data
    assert len(take(tmp_path / "d.zip")) == 6


def test_two_files_in_one_are_refused_as_only_one_would_be_read(tmp_path, take):
    texts = [
        pa.table({"text": [f"a text {n}" for n in range(first, first + 6)], "label": [0, 1] * 3}) for first in (1, 3)
    ]
    zips = [pack_zip(tmp_path / f"{first}.zip", {"d.csv": table(first)}).read_bytes() for first in (10, 20)]
    tars = [pack_tar(tmp_path / f"{first}.tar.gz", {"d.csv": table(first)}).read_bytes() for first in (10, 20)]
    joined = {
        "two.zip": b"".join(zips),
        "loader.zip": b"#!/bin/sh\n" * 9 + zips[0],
        "cut.zip": zips[0] + zips[1][:-40],
        "between.zip": put_before_directory(zips[0], zips[1]),
        "marker.zip": put_before(zips[0], b"PK01"),
        "two.tar.gz": b"".join(tars),
        "two.npz": npz_bytes(0) + npz_bytes(9),
        "two.parquet": b"".join(map(parquet_bytes, texts)),
        "file.arrow": b"".join(arrow_bytes(text, stream=False) for text in texts),
        "stream.arrow": b"".join(arrow_bytes(text, stream=True) for text in texts),
    }
    for name, data in joined.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match=r": (pack|give|keep) ") as error:
            take(tmp_path / name)
        assert (name, error.value.code) == (name, "file_corrupt")


def test_a_zip_with_a_comment_or_padding_is_read(tmp_path, take):
    path = pack_zip(tmp_path / "d.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"six pictures"
    with path.open("ab") as file:
        file.write(bytes(512))
    assert len(take(path)) == 6


@pytest.mark.parametrize("packing", [pack_zip, pack_tar])
def test_a_table_beside_an_archive_names_the_media_in_it(tmp_path, take, packing):
    pictures = {f"pictures/{i}.png": support.make_png(i) for i in range(6)}
    (tmp_path / "d").mkdir()
    packing(tmp_path / "d" / f"images.{packing.__name__[5:]}", pictures)
    (tmp_path / "d" / "train.csv").write_text("id,label\n" + "\n".join(f"{i},{'ab'[i % 2]}" for i in range(6)))
    drop = take(tmp_path / "d")
    assert (drop.modality, drop.label_names, len(drop)) == ("image", ("a", "b"), 6)
    assert [row["bytes"] for row in drop.payload()["image"].to_pylist()] == list(pictures.values())
    for header in ("id", "file"):
        (tmp_path / "d" / "train.csv").write_text(f"{header},label\n" + "\n".join(f"{i}.png,{i % 2}" for i in range(6)))
        with pytest.raises(BadInput, match=r"'images\.(zip|tar)' was not unpacked: set drop.unpack"):
            take(tmp_path / "d", unpack=False)


def test_a_zip_beside_a_table_that_is_read_without_it_is_named_with_the_setting(tmp_path, take):
    (tmp_path / "d").mkdir()
    pack_zip(tmp_path / "d" / "images.zip", FILES)
    (tmp_path / "d" / "train.csv").write_text("age,size,label\n" + "\n".join(f"{i},{i * i},{i % 2}" for i in range(6)))
    drop = take(tmp_path / "d", unpack=False)
    assert accounted_lines(drop.manifest)[0] == "files: 2 = 1 read + 1 ignored (1 packed: drop.unpack is not set)"


def pictures(first: int, folder: str = "") -> dict[str, bytes]:
    """Six pictures of the same names, whatever they show."""
    return {f"{folder}{i}.png": support.make_png(first + i) for i in range(6)}


def table(first: int) -> bytes:
    return b"file,label,shows\n" + b"".join(b"%d.png,%d,p%d\n" % (i, i % 2, first + i) for i in range(6))


@pytest.mark.parametrize("packing", [pack_zip, pack_tar])
@pytest.mark.parametrize("folder", ["", "images/"])
def test_archives_with_a_table_each_keep_their_own_pictures(tmp_path, take, packing, folder):
    (tmp_path / "d").mkdir()
    for name, first in (("2023", 0), ("2024", 10)):
        files = pictures(first, folder) | {f"{folder}labels.csv": table(first), "README.md": b"hello"}
        packing(tmp_path / "d" / f"{name}.{packing.__name__[5:]}", files)
    drop = take(tmp_path / "d")
    assert (drop.modality, len(drop)) == ("image", 12)
    shown = [(row["image"]["bytes"], row["shows"]) for row in drop.payload().to_pylist()]
    assert sorted(shown) == sorted((support.make_png(i), f"p{i}") for i in [*range(6), *range(10, 16)])


@pytest.mark.parametrize("outside", [True, False])
def test_archives_that_hold_the_same_names_for_other_pictures_are_refused(tmp_path, take, outside):
    (tmp_path / "d").mkdir()
    folders = {"": 0} if outside else {"a/": 0, "b/": 20}
    for name, first in (("one.zip", 0), ("two.zip", 10)):
        files = {key: data for folder, more in folders.items() for key, data in pictures(first + more, folder).items()}
        pack_zip(tmp_path / "d" / name, files)
    if outside:
        (tmp_path / "d" / "train.csv").write_bytes(table(0))
    with pytest.raises(BadInput, match="rename it in one of them, or unpack each") as error:
        take(tmp_path / "d")
    assert error.value.code == "format_unclear"


def test_names_that_print_in_other_unicode_forms_are_the_same(tmp_path, take):
    (tmp_path / "d").mkdir()
    pack_zip(tmp_path / "d" / "one.zip", {"\u00e9.png": support.make_png(0), "a.png": support.make_png(1)})
    pack_zip(tmp_path / "d" / "two.zip", {"e\u0301.png": support.make_png(2), "b.png": support.make_png(3)})
    (tmp_path / "d" / "rows.csv").write_text("file,label\n\u00e9.png,0\na.png,1\nb.png,0\n")
    with pytest.raises(BadInput, match="both hold") as error:
        take(tmp_path / "d")
    assert error.value.code == "format_unclear"


@pytest.mark.parametrize("names", ["train test rest", "train rest"])
def test_archives_of_which_some_are_called_as_splits_are_refused(tmp_path, take, names):
    (tmp_path / "d").mkdir()
    for place, name in enumerate(names.split()):
        files = {
            f"{kind}/{place}{i}.png": support.make_png(10 * place + i) for i in range(3) for kind in ("cat", "dog")
        }
        pack_zip(tmp_path / "d" / f"{name}.zip", files | {"README.md": b"hello"})
    with pytest.raises(BadInput, match="rename them, so that all are or none is") as error:
        take(tmp_path / "d")
    assert error.value.code == "split_unclear"


def test_a_zip_of_a_table_beside_zips_called_as_splits_is_read(tmp_path, take):
    (tmp_path / "d").mkdir()
    pack_zip(tmp_path / "d" / "train.zip", pictures(0))
    pack_zip(tmp_path / "d" / "test.zip", pictures(10))
    pack_zip(tmp_path / "d" / "labels.csv.zip", {"labels.csv": table(0), "__MACOSX/._labels.csv": b"x"})
    drop = take(tmp_path / "d")
    assert [row["bytes"] for row in drop.payload()["image"].to_pylist()] == list(pictures(0).values())


def test_a_link_called_as_a_file_of_its_archive_leaves_that_file(tmp_path, take):
    path = pack_tar(tmp_path / "d.tar", FILES)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("pets/a/0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "1.png"
        archive.addfile(link)
    drop = take(path)
    files = drop.manifest["accounting"]["files"]
    assert (len(drop), files["read"], files["found"]) == (6, 6, 7)


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
def test_what_tar_itself_packs_is_read_to_its_end(tmp_path, take, form):
    for key, data in FILES.items():
        (tmp_path / "p" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / key).write_bytes(data)
    path = tmp_path / "d.tar"
    subprocess.run(["tar", f"--format={form}", "-b", "200", "-C", tmp_path / "p", "-cf", path, "pets"], check=True)
    assert len(take(path)) == 6


def test_feather_is_read_as_pandas_writes_it(tmp_path, take):
    table = pa.table({"a": np.arange(40) / 7, "b": np.arange(40) % 5, "label": [*"xy"] * 20})
    for codec in ("uncompressed", "lz4", "zstd"):
        table.to_pandas().to_feather(tmp_path / "d.feather", compression=codec)
        assert len(take(tmp_path / "d.feather")) == 40


def test_a_file_of_arrow_whose_schema_has_no_frame_is_read(tmp_path, take):
    """As polars writes it; the batches stay where the footer says."""
    table = pa.table({"text": [f"text {n}" for n in range(6)], "label": [0, 1] * 3})
    data = arrow_bytes(table, stream=False)
    schema_bytes = int.from_bytes(data[12:16], "little")
    end = 16 + schema_bytes
    (tmp_path / "d.ipc").write_bytes(data[:8] + data[16:end] + bytes(8) + data[end:])
    assert take(tmp_path / "d.ipc").payload() == table


@pytest.mark.parametrize("several", [False, True])
def test_what_datasets_saves_to_disk_names_the_setting_that_reads_it(tmp_path, take, several):
    saved = datasets.Dataset.from_dict({"text": ["one", "two"] * 9, "label": [0, 1] * 9})
    whole = datasets.DatasetDict({"train": saved, "test": saved}) if several else saved
    whole.save_to_disk(str(tmp_path / "d"))
    with pytest.raises(BadInput, match=r"\.arrow' was not unpacked: set drop\.unpack, or write it as Parquet") as error:
        take(tmp_path / "d", unpack=False)
    assert "array of objects" not in str(error.value)
