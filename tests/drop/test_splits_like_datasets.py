"""The splits of a folder are those that Hugging Face ``datasets`` reads of it by its own rules."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from tests.support.drops import write_numbers

datasets.disable_progress_bars()
OTHER = "unsupervised-00000-of-00001"
CARD = """
- config_name: default
  data_files:
  - split: train
    path: a*
  - split: extra
    path: [b.parquet, c.parquet]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "configs"),
    [
        ("train.csv eval.csv", ""),
        ("a-train.csv b-train.csv my_dev.csv testing.csv evaluation.csv", ""),
        ("train/a.parquet train/b.parquet valid/a.parquet test1/a.parquet", ""),
        (" ".join(f"data/{name}.parquet" for name in ("train-00000-of-00002", "train-00001-of-00002", OTHER)), ""),
        (" ".join(f"data/{name}-00000-of-00001.parquet" for name in ("train_sft", "test_sft", "train_gen")), ""),
        ("a1.parquet a2.parquet b.parquet c.parquet d.parquet", CARD),
    ],
)
def test_each_split_has_the_rows_that_datasets_reads(
    tmp_path: Path, take, monkeypatch: pytest.MonkeyPatch, names: str, configs: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    for place, name in enumerate(names.split()):
        write_numbers(tmp_path / "d" / name, first=6 * place)
    if configs:
        (tmp_path / "d" / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    read = datasets.load_dataset(str(tmp_path / "d"), cache_dir=str(tmp_path / "cache"))
    assert len(read) > 1
    for split, rows_of_split in read.items():
        drop = take(tmp_path / "d", split=split, input_columns=("x", "z"))
        assert sorted(map(int, drop.payload()["x"].to_pylist())) == sorted(rows_of_split["x"])
