"""A file written into a folder of strangers: their links are not followed, and nothing else there is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from telltale_core.storage import open_store
from telltale_core.storage.beside import write_beside


def test_a_link_called_as_our_scratch_folder_leads_nowhere(tmp_path: Path) -> None:
    versions, drop = tmp_path / "clean" / "_versions", tmp_path / "inbox" / "d1"
    versions.mkdir(parents=True)
    drop.mkdir(parents=True)
    manifest = versions / "00000001.json"
    manifest.write_text("a version")
    os.utime(manifest, (0, 0))
    (drop / ".tmp").symlink_to(versions)
    write_beside(str(drop), "_RECEIPT.json", b"read")
    write_beside(str(drop), "_RECEIPT.json", b"published")
    assert (manifest.read_text(), (drop / "_RECEIPT.json").read_bytes()) == ("a version", b"published")
    assert sorted(path.name for path in drop.iterdir()) == [".tmp", "_RECEIPT.json"]
    with pytest.raises(Exception, match="ENOTDIR"):
        open_store(drop).write("x", b"y")
    assert manifest.exists()


def test_a_receipt_that_is_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    theirs, drop = tmp_path / "theirs", tmp_path / "d1"
    theirs.write_text("untouched")
    drop.mkdir()
    (drop / "_RECEIPT.json").symlink_to(theirs)
    write_beside(str(drop), "_RECEIPT.json", b"read")
    assert (theirs.read_text(), (drop / "_RECEIPT.json").read_bytes()) == ("untouched", b"read")


def test_a_drop_that_is_a_link_gets_none(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "d1").symlink_to(tmp_path / "real")
    with pytest.raises(OSError):
        write_beside(str(tmp_path / "d1"), "_RECEIPT.json", b"read")
    assert not list((tmp_path / "real").iterdir())


def test_a_pipe_in_a_scratch_folder_blocks_nobody(tmp_path: Path) -> None:
    (tmp_path / ".tmp").mkdir()
    os.mkfifo(tmp_path / ".tmp" / "pipe")
    open_store(tmp_path).write("x", b"y")
    assert (tmp_path / "x").read_bytes() == b"y"
