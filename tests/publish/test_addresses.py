"""One dataset has one address, however it is spelled; a run published there twice is one version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.limits import name_of
from telltale_core.errors import ConfigError, NotFound
from telltale_core.publish import log, publish
from telltale_core.storage import WorkArea, open_store
from tests.support import storage as support


@pytest.fixture
def job(tmp_path):
    return support.make_job(tmp_path / "job", n=8, images=False)


def spellings(clean: Path) -> list[str]:
    """Return ways to write the folder's address, from the current directory ``clean``'s parent."""
    here = clean.parent
    (here / "x").mkdir()
    (here / "link").symlink_to(clean)
    (here / "x" / "up").symlink_to(here)
    (here / "chain").symlink_to("link")
    paths = [
        clean,
        f"{clean}/",
        here / "x" / ".." / clean.name,
        f"{here}//{clean.name}/.",
        here / "link",
        here / "chain",
    ]
    relative = [clean.name, f"./{clean.name}", f"x/../{clean.name}/", "link/", f"x/up/{clean.name}"]
    urls = [f"{start}{clean}" for start in ("file://", "FILE://", "file://localhost", "File://LOCALHOST", "file:")]
    return [*map(str, paths), *relative, *urls, f"file://{here}/x/up/x/../link/"]


def test_every_spelling_of_a_folder_is_one_dataset(job, tmp_path, monkeypatch):
    clean = tmp_path / "clean"
    clean.mkdir()
    monkeypatch.chdir(tmp_path)
    for url in spellings(clean):
        assert open_store(url).location.url == str(clean), url
        assert name_of(url) == name_of(str(clean))
        assert WorkArea(url).root == clean
        assert publish(*job, url, lineage=support.CODE).number == 1
    monkeypatch.chdir(tmp_path / "x")
    assert publish(*job, "../clean", lineage=support.CODE).number == 1
    assert len(log(clean)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chain", "clean", "job", "link", "x"]


def test_a_link_to_a_folder_that_is_not_there_yet_makes_it(job, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "clean")
    publish(*job, tmp_path / "link", lineage=support.CODE)
    assert publish(*job, tmp_path / "disk" / "clean", lineage=support.CODE).number == 1


def test_a_loop_of_links_is_an_error_of_ours(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(NotFound, match="ENOTDIR"):
        open_store(tmp_path / "a").create("k", b"x")


def test_every_spelling_of_a_bucket_is_one_dataset(job, s3_url):
    bucket = s3_url.removeprefix("s3://").split("/", maxsplit=1)[0]
    for scheme, slash, end in [("s3", "/", ""), ("S3", "//", "//")]:
        url = f"{scheme}://{bucket}{slash}data{end}"
        assert open_store(url).location.url == s3_url
        assert publish(*job, url, lineage=support.CODE).number == 1
    assert len(log(s3_url)) == 1
    for other in (f"s3://{bucket.upper()}/data", f"s3://{bucket}/x/../data", f"s3://{bucket}/./data"):
        with pytest.raises(ConfigError):
            open_store(other)


def test_a_dataset_that_moves_or_lies_on_two_mounts_knows_its_runs(job, tmp_path):
    publish(*job, tmp_path / "here", lineage=support.CODE)
    shutil.copytree(tmp_path / "here", tmp_path / "twin")
    (tmp_path / "here").rename(tmp_path / "there")
    for place in ("there", "twin"):
        assert publish(*job, tmp_path / place, lineage=support.CODE).number == 1
