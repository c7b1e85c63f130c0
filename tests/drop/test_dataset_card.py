"""The splits that the head of a README.md states hold, whatever files are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale_core.drop.config import Limits
from telltale_core.drop.dataset_card import splits_by_card
from telltale_core.drop.source import open_source
from telltale_core.errors import BadInput
from tests.support.drops import write_numbers

TWO = """- config_name: {first}
  data_files:
  - split: train
    path: de/tr*.parquet
- config_name: {second}
  data_files:
  - split: train
    path: ["en/**"]
"""


def card(root: Path, configs: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "README.md").write_text(f"---\nlicense: mit\nconfigs:\n{configs}---\n# words\n")
    return root


def by_card(root: Path) -> dict[str, str | None]:
    return splits_by_card(open_source(str(root), Limits()))


def test_files_of_any_name_are_of_the_splits_that_the_card_states(tmp_path, take):
    root = card(
        tmp_path / "d",
        "- data_files:\n  - split: train\n    path: a.parquet\n  - split: test\n    path: ./b*.parquet\n",
    )
    for place, name in enumerate("abc"):
        write_numbers(root / f"{name}.parquet", first=6 * place)
    drop = take(root)
    ignored = drop.manifest["accounting"]["files"]["ignored"]
    assert (len(drop), drop.samples()["source"][0].as_py()) == (6, "a.parquet#0")
    assert {why: note["first"] for why, note in ignored.items()} == {
        "not in the data_files of README.md": ["c.parquet"],
        "split test": ["b.parquet"],
    }
    words = "states which files are read, otherwise than their names do: 'b.parquet' and 1 more files are not read"
    assert [question["text"] for question in drop.manifest["questions"]] == [f"README.md {words}"]
    assert len(take(root, files="*.parquet")) == 18


def test_a_card_that_states_what_the_names_say_asks_nothing(tmp_path, take):
    splits = "".join(f"  - split: {name}\n    path: data/{name}-*\n" for name in ("train", "test"))
    root = card(tmp_path / "d", f"- config_name: default\n  data_files:\n{splits}")
    for name in ("train", "test"):
        write_numbers(root / "data" / f"{name}-00000-of-00001.parquet")
    assert take(root).manifest["questions"] == []


def test_a_card_without_which_nothing_is_read_is_followed_and_asked_about(tmp_path, take):
    root = card(tmp_path / "d", "- data_files: {train: test-a.csv, test: val-b.csv}\n")
    for name in ("test-a", "val-b"):
        write_numbers(root / f"{name}.csv")
    drop = take(root)
    assert {source.as_py() for source in drop.samples()["source"]} == {f"test-a.csv#{n}" for n in range(6)}
    assert [(question["code"], question["cure"]) for question in drop.manifest["questions"]] == [
        ("card_files", "drop.files")
    ]


def test_what_a_card_leaves_out_is_asked_about_where_drop_toml_is_followed_too(tmp_path, take):
    root = card(tmp_path / "d", "- data_files: a.csv\n")
    for name in "ab":
        write_numbers(root / f"{name}.csv", breed=[*"xy"] * 3)
        lines = (root / f"{name}.csv").read_text().replace("label", "kind", 1)
        (root / f"{name}.csv").write_text(lines)
    (root / "drop.toml").write_text('label_column = "breed"\n')
    codes = {question["code"] for question in take(root).manifest["questions"]}
    assert {"drop_toml_followed", "card_files"} <= codes


@pytest.mark.parametrize(
    ("stated", "matching"),
    [
        ("data_files: a.csv", {"a.csv": "train"}),
        ("data_files: [a.csv, 'x/*.csv']", {"a.csv": "train", "x/b.csv": "train"}),
        ("data_files: {validation: '**'}", {"a.csv": "validation", "x/b.csv": "validation", "x/y/c.csv": "validation"}),
        ("data_files: [{split: extra, path: '**/c*'}]", {"x/y/c.csv": "extra"}),
        ("data_files: '*.csv'\n  data_dir: x", {"x/b.csv": "train"}),
        ("data_files: https://example.com/a.csv", {}),
        ("data_files: 7", {}),
        ("features: x", {}),
    ],
)
def test_patterns_are_those_of_datasets(tmp_path, stated, matching):
    root = card(tmp_path / "d", f"- {stated}\n")
    for name in ("a.csv", "x/b.csv", "x/y/c.csv"):
        write_numbers(root / name)
    assert by_card(root) == matching


def test_of_configurations_the_default_is_read_and_without_one_the_drop_is_refused(tmp_path):
    for language in ("de", "en"):
        write_numbers(tmp_path / language / "train.parquet")
    assert by_card(card(tmp_path, TWO.format(first="x", second="default"))) == {"en/train.parquet": "train"}
    with pytest.raises(BadInput, match=r"2 configurations, none the default, such as .*drop.files .*'de/tr\*.parquet'"):
        by_card(card(tmp_path, TWO.format(first="de", second="en")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\nconfigs: [{data_files: a\n---\n", "no valid YAML"),
        ("---\nconfigs:\n- data_files: a\n" + "#" * (300 << 10) + "\n---\n", "longer than"),
        ("---\nconfigs:\n- data_files: {train: a.csv, test: '*.csv'}\n---\n", "'a.csv' as of two splits"),
        ("---\nconfigs:\n- data_files: [" + "a," * 2000 + "]\n---\n", "more than 1000 patterns"),
        ("---\ndata_files: x\na: " + "[" * 120_000 + "\n---\n", "more than 50 levels"),
        ("---\ndata_files: x\na: " + "{a: " * 60_000 + "\n---\n", "more than 50 levels"),
        ("---\ndata_files:\n" + "".join(f"{'  ' * n}- \n" for n in range(60)) + "\n---\n", "more than 50 levels"),
        ("---\na: &a [x]\nconfigs:\n- data_files: {train: *a}\n---\n", "an alias"),
        ("---\na: &a [x, x]\nb: &b [*a, *a]\nconfigs:\n- data_files: {split: *b}\n---\n", "an alias"),
        ("---\nconfigs:\n- data_files:\n  - split: [a]\n    path: a.csv\n---\n", "up to 64 printable characters"),
        (f"---\nconfigs:\n- data_files:\n  - split: 0x{'f' * 20_000}\n    path: a.csv\n---\n", "up to 64 printable"),
        ('---\nconfigs:\n- data_files:\n  - split: "\\e[31m"\n    path: a.csv\n---\n', "up to 64 printable"),
        ("---\nconfigs:\n- data_files:\n  - split:\n    path: a.csv\n---\n", "up to 64 printable characters"),
    ],
)
def test_a_card_that_cannot_be_followed_is_refused_with_the_cure(tmp_path, text, words):
    write_numbers(tmp_path / "a.csv")
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(BadInput, match=f"{words}.*correct it, or leave README.md out") as error:
        by_card(tmp_path)
    assert error.value.code == "split_unclear"


@pytest.mark.parametrize("value", ["9" * 20_000, "1:1" * 60_000, "2026-11-30", "!!python/name:os.system ''"])
def test_a_card_makes_nothing_but_texts(tmp_path, value):
    write_numbers(tmp_path / "a.csv")
    assert by_card(card(tmp_path, f"- data_files: {{2024: a.csv}}\n  note: {value}\n")) == {"a.csv": "2024"}


def test_a_pattern_of_many_folders_takes_no_time(tmp_path):
    for number in range(200):
        write_numbers(tmp_path / f"{number}.csv", count=2)
    assert len(by_card(card(tmp_path, f"- data_files: '{'**/' * 80_000}*.csv'\n"))) == 200
    assert by_card(card(tmp_path, f"- data_files: '{'*/' * 100_000}*.csv'\n")) == {}


@pytest.mark.parametrize("text", ["# words\n---\nconfigs: data_files\n---\n", "---\n- data_files\n---\n", ""])
def test_other_documents_state_nothing(tmp_path, text):
    write_numbers(tmp_path / "a.csv")
    (tmp_path / "README.md").write_text(text)
    assert by_card(tmp_path) == {}
