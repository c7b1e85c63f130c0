"""Outputs of backdoor-toolbox and BackdoorBench become drops; what is poisoned stands beside them."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from telltale_core.bench.backdoor_folders import convert, main
from telltale_core.drop import ingest
from telltale_core.errors import BadInput, ConfigError
from tests.support import drops as support


def toolbox(root: Path) -> Path:
    (root / "imgs").mkdir(parents=True)
    for number in range(6):
        (root / "imgs" / f"{number}.png").write_bytes(support.make_png(number))
    torch.save(torch.arange(6) % 2, root / "labels")
    torch.save([1, 3], root / "poison_indices")
    return root


def truth(out: Path) -> dict[str, str]:
    with (out / "truth.csv").open() as file:
        return {row["id"]: row["poisoned"] for row in csv.DictReader(file)}


def test_backdoor_toolbox(tmp_path: Path) -> None:
    source = toolbox(tmp_path / "in")
    with pytest.raises(BadInput, match="backdoor_folders"):
        ingest(str(source), tmp_path / "drops")
    main([str(source), str(tmp_path / "out")])
    drop = ingest(str(tmp_path / "out" / "drop"), tmp_path / "drops")
    assert drop.sample_ids.tolist() == [*"012345"]
    assert drop.labels is not None
    assert drop.labels.tolist() == [0, 1] * 3
    assert [name for name, poisoned in truth(tmp_path / "out").items() if poisoned == "1"] == ["1", "3"]


def test_a_pickle_in_place_of_labels_is_not_run(tmp_path: Path) -> None:
    source = toolbox(tmp_path / "in")
    (source / "labels").write_bytes(pickle.dumps(Path))
    with pytest.raises(BadInput, match="no tensor"):
        convert(source, tmp_path / "out")


def test_backdoor_bench(tmp_path: Path) -> None:
    for place in ("in/bd_train_dataset/0/2.png", "clean/0/1.png", "clean/0/2.png", "clean/1/3.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(support.make_png(len(place)))
    with pytest.raises(ConfigError, match="only the altered pictures"):
        convert(tmp_path / "in", tmp_path / "no")
    assert convert(tmp_path / "in", tmp_path / "out", clean=tmp_path / "clean", target="1") == 3
    drop = ingest(str(tmp_path / "out" / "drop"), tmp_path / "drops")
    assert dict(zip(drop.sample_ids.tolist(), drop.labels.tolist(), strict=True)) == {  # type: ignore[union-attr]
        "altered/0/2": 1,
        "0/1": 0,
        "1/3": 1,
    }
    assert truth(tmp_path / "out") == {"altered/0/2": "1", "0/1": "0", "1/3": "0"}


def test_an_altered_picture_whose_original_is_not_found_is_refused_as_both_would_be_there(tmp_path: Path) -> None:
    for place in ("in/bd_train_dataset/0/1207.png", "clean/airplane/a.png", "clean/bird/b.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(support.make_png(len(place)))
    with pytest.raises(BadInput, match=r"0/1207 .* has no original in --clean.*such as 3/1207\.png"):
        convert(tmp_path / "in", tmp_path / "out", clean=tmp_path / "clean", target="1")


def test_what_it_makes_drops_of_is_refused_as_it_is(tmp_path: Path, take: Callable[..., object]) -> None:
    for place in (
        "record/bd_train_dataset/0/2.png",
        "record/bd_train_dataset/1/3.png",
        "record/bd_test_dataset/0/1.png",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(support.make_png(1))
    with pytest.raises(BadInput, match=r"an output of BackdoorBench .*backdoor_folders SRC OUT"):
        take(tmp_path / "record")
