"""A drop's files are its own: names and links that lead out of its folder are refused, with the cure."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from telltale_core.inbox import Arrival, Inbox, allow_list

ALLOWED = allow_list({"signs": ["team-a/signs"], "cars": ["team-a/cars"]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An inbox with one honest drop in the folder of another dataset, itself reached by a link."""
    drop = tmp_path / "disk" / "team-a" / "cars" / "monday"
    drop.mkdir(parents=True)
    for name in ("a.parquet", "_SUCCESS"):
        (drop / name).write_bytes(b"rows")
    (tmp_path / "disk" / "team-a" / "signs").mkdir()
    (tmp_path / "inbox").symlink_to(tmp_path / "disk")
    return tmp_path / "inbox"


def drops(root: Path) -> dict[str, Arrival]:
    arrivals = Inbox(url=str(root), allowed=ALLOWED).arrivals()
    return {"/".join(filter(None, arrival.place)): arrival for arrival in arrivals}


def test_a_drop_that_is_a_link_is_refused_by_whoever_looks(root: Path) -> None:
    (root / "team-a" / "signs" / "mine").symlink_to("../cars/monday")
    assert drops(root)["team-a/cars/monday"].complete
    swept = drops(root)["team-a/signs/mine"]
    named = Inbox(url=str(root), allowed=ALLOWED).arrival("team-a/signs", "mine")
    assert named is not None
    for arrival in (swept, named):
        assert not arrival.complete
        assert "'team-a/signs/mine' is, or lies behind, a link; upload the files themselves" in arrival.refused


def test_a_folder_of_the_table_that_is_a_link_is_refused(root: Path) -> None:
    (root / "team-a" / "signs").rmdir()
    (root / "team-a" / "signs").symlink_to("cars")
    assert "is, or lies behind, a link" in drops(root)["team-a/signs"].refused
    named = Inbox(url=str(root), allowed=ALLOWED).arrival("team-a/signs", "monday")
    assert named is not None
    assert "is, or lies behind, a link" in named.refused


def test_a_link_that_leaves_a_drop_refuses_it_and_one_within_does_not(root: Path) -> None:
    drop = root / "team-a" / "signs" / "tuesday"
    drop.mkdir()
    (drop / "_SUCCESS").touch()
    (drop / "a.png").write_bytes(b"x")
    (drop / "b.png").symlink_to("a.png")
    assert drops(root)["team-a/signs/tuesday"].complete
    (drop / "c.png").symlink_to(os.path.relpath(root / "team-a/cars/monday/a.parquet", drop))
    assert "holds a link that leaves it, 'c.png'" in drops(root)["team-a/signs/tuesday"].refused


def test_names_that_climb_out_of_a_drop_refuse_it() -> None:
    store = fsspec.filesystem("memory")
    store.pipe({"/climbs/inbox/team-a/signs/one/a.png": b"x", "/climbs/inbox/team-a/signs/one/_SUCCESS": b""})
    inbox = Inbox(url="memory://climbs/inbox", allowed=ALLOWED)
    [honest] = inbox.arrivals()
    assert honest.complete
    store.store["/climbs/inbox/team-a/signs/one/../../cars/two/a.png"] = store.store[
        "/climbs/inbox/team-a/signs/one/a.png"
    ]
    [climbing] = inbox.arrivals()
    assert (climbing.place, climbing.complete) == (("team-a/signs", "one"), False)
    assert "names that climb out of it by .." in climbing.refused


@pytest.mark.parametrize("name", ["..", "../cars", "monday/deep", ".git", "_x", ""])
@pytest.mark.parametrize("url", ["/srv/inbox", "s3://raw/inbox"])
def test_a_drops_name_is_one_folder(url: str, name: str) -> None:
    assert "rename" in Inbox(url=url, allowed=ALLOWED).refusal("team-a/signs", name)
