"""The operator's table: which folder of the inbox feeds which dataset, and what is no such table."""

from __future__ import annotations

from typing import Any

import pytest

from telltale_core.errors import ConfigError
from telltale_core.inbox import Inbox, allow_list

TABLE = {"signs": ["team-a/signs", "team-b"], "cars": ["team-a/cars"]}


@pytest.mark.parametrize(
    ("key", "place", "dataset"),
    [
        ("team-a/signs/monday/a.png", ("team-a/signs", "monday"), "signs"),
        ("team-a/signs/monday/deep/a.png", ("team-a/signs", "monday"), "signs"),
        ("team-a/cars/monday/a.png", ("team-a/cars", "monday"), "cars"),
        ("team-b/monday/a.png", ("team-b", "monday"), "signs"),
        ("team-b/signs/monday/a.png", ("team-b", "signs"), "signs"),
        ("signs/monday/a.png", ("signs", ""), None),
        ("team-a/birds/monday/a.png", ("team-a/birds", ""), None),
        ("team-a/birds/monday/deep/a.png", ("team-a/birds", ""), None),
        ("team-a/birds/a.png", ("team-a/birds", ""), None),
        ("team-a/signs2/monday/a.png", ("team-a/signs2", ""), None),
        ("team-a/Signs/monday/a.png", ("team-a/Signs", ""), None),
        ("team-b2/monday/a.png", ("team-b2", ""), None),
        ("team-a/../team-b/monday/a.png", ("team-a/..", ""), None),
        ("team-a/signs/../../x/a.png", ("team-a/signs", ".."), "signs"),
    ],
)
def test_a_file_belongs_to_the_dataset_that_its_folder_feeds(
    key: str, place: tuple[str, str], dataset: str | None
) -> None:
    inbox = Inbox(url="s3://raw/inbox", allowed=allow_list(TABLE))
    assert inbox.place_of("raw", f"inbox/{key}") == place
    assert inbox.allowed.dataset(place[0]) == dataset
    assert (inbox.refusal(*place) == "") is (dataset is not None and place[1] != "..")


@pytest.mark.parametrize(
    "key", ["a.png", "team-a/a.png", "team-a/signs/a.png", "team-b/_tmp/a.png", ".git/x/a.png", "/team-b/monday/a.png"]
)
def test_files_beside_drops_and_hidden_folders_are_no_drops(key: str) -> None:
    assert Inbox(url="s3://raw/inbox", allowed=allow_list(TABLE)).place_of("raw", f"inbox/{key}") is None


def test_a_folder_that_feeds_nothing_is_refused_with_the_cure() -> None:
    why = Inbox(url="s3://raw/inbox", allowed=allow_list(TABLE)).refusal("team-a/birds", "")
    assert "'team-a/birds' of the inbox feeds no dataset" in why
    assert "telltale deploy --config" in why


@pytest.mark.parametrize(
    "folder", ["", "/", "/team-a", "team-a/", "a//b", "..", "team-a/../b", ".", "./a", "_x", "a b", 3]
)
def test_a_folder_that_is_none_below_the_inbox_is_refused(folder: Any) -> None:
    with pytest.raises(ConfigError, match=r"datasets\.signs\.inbox: .* is no folder below the inbox: write it without"):
        allow_list({"signs": [folder]})


@pytest.mark.parametrize(
    "table",
    [
        {"signs": ["team-a"], "cars": ["team-a"]},
        {"signs": ["team-a"], "cars": ["team-a/cars"]},
        {"signs": ["team-a/signs/eu"], "cars": ["team-a"]},
        {"signs": ["team-a", "team-a"]},
        {"signs": ["team-a", "team-a/signs"]},
    ],
)
def test_a_folder_feeds_one_dataset_once(table: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match="give each a folder of its own"):
        allow_list(table)


@pytest.mark.parametrize("table", [{}, [], 3, {"signs": []}, {"signs": "team-a"}, {"signs": None}, {"a/b": ["team-a"]}])
def test_what_is_no_table_is_refused_and_never_read_as_any_folder(table: Any) -> None:
    with pytest.raises(ConfigError, match=r"\[datasets\.signs\] inbox|a dataset's name has"):
        allow_list(table)
