"""A drop is judged together with what its dataset published before: all of its rows, and only they, are decided."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.drop import DropConfig
from telltale_core.drop.demo import write_image_drop
from telltale_core.errors import BadInput
from telltale_core.publish import log
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from tests.support import approving

pytestmark = pytest.mark.trains

SAMPLES = 150
PROXY = {"epochs": 4, "width": 4, "batch_size": 16, "threads": 1, "device": "cpu", "precision": "float32"}
LIGHT = {"thumbnails": 2, "evidence_labels": 1, "heat_rows": 4, "dpi": 50}


def write_drop(folder: Path, seed: int, names: tuple[str, ...] = ("a", "b", "c")) -> str:
    """Three classes told apart by a bar; ids repeat in every drop, the pictures do not."""
    images, labels = pictures(seed)
    ids = [f"row-{row:03d}" for row in range(SAMPLES)]
    return str(write_image_drop(folder, images, labels, ids, list(names)).parent)


def pictures(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = np.arange(SAMPLES) % 3
    images = np.random.default_rng(seed).integers(0, 120, (SAMPLES, 8, 8, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, :, 2 * label : 2 * label + 2] += 100
    return images, labels


def run_pipeline(source: str, work: str, clean: str, with_history: int = 0) -> tuple[dict[str, Any], stages.Record]:
    drop = stages.ingest(source, work, to_dict(DropConfig()))
    if versions := stages.earlier_versions(drop, clean, with_history):
        drop = stages.join(drop, work, {"versions": versions}, destination=clean)
    losses = stages.train(drop, work, PROXY)
    spectra = stages.spectrum(losses, work, to_dict(SpectrumConfig()))
    verdict = stages.cluster(spectra, work, {"with_history": with_history, "leave_out": False})
    page = stages.report(verdict, work, {**to_dict(ReportConfig()), **LIGHT})
    return approving.publish_stage(page, work, {}, destination=clean), page


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder, its work area, and a dataset of two versions."""
    folder = tmp_path_factory.mktemp("drip")
    work, clean = str(folder / "work"), str(folder / "clean")
    for seed in (1, 2):
        run_pipeline(write_drop(folder / f"drop{seed}", seed), work, clean)
    return folder, work, clean


def test_a_drop_is_learnt_together_with_the_last_versions_and_judged_alone(dataset: tuple[Path, str, str]) -> None:
    folder, work, clean = dataset
    before = {version.number: version.counts["published"] for version in log(clean)}
    outcome, page = run_pipeline(write_drop(folder / "drop3", 3), work, clean, with_history=5)
    learnt, own = stages.opened(page, work).learnt_drop(), stages.open_drop(page, work)
    assert len(learnt) == SAMPLES + sum(before.values())
    assert {str(name).split("/")[0] for name in learnt.sample_ids} == {"new", "v1", "v2"}
    assert outcome["counts"]["ingested"] == SAMPLES == len(own)
    record = stages.opened(page, work).verdict().values
    assert (record["history"]["versions"], record["history"]["samples"]) == ([1, 2], sum(before.values()))
    assert f"together with {sum(before.values())} published samples of versions 1 and 2" in record["statement"]
    assert sum(record["counts"][name] for name in ("keep", "quarantine", "review")) == SAMPLES
    shown = (stages.folder_of(page, "report", work) / "report.html").read_text()
    assert html.escape(record["statement"]) in shown
    assert "new/" not in shown
    table = pq.read_table(stages.folder_of(page, "cluster", work) / "verdict.parquet")
    assert table["sample_id"].to_pylist() == [str(name) for name in own.sample_ids]
    again, _ = run_pipeline(str(folder / "drop3"), work, clean, with_history=5)
    assert again["version"] == outcome["version"]
    run_pipeline(write_drop(folder / "drop4", 4), work, clean)
    later, _ = run_pipeline(str(folder / "drop3"), work, clean, with_history=5)
    assert later["version"] == outcome["version"], "what was published since must not make another version of this run"


def test_only_the_last_versions_that_are_asked_for_are_learnt(dataset: tuple[Path, str, str]) -> None:
    folder, work, clean = dataset
    drop = stages.ingest(write_drop(folder / "drop9", 9), work, to_dict(DropConfig()))
    numbers = [version.number for version in log(clean)]
    assert [number for number, _ in stages.earlier_versions(drop, clean, 1)] == numbers[-1:]
    assert stages.earlier_versions(drop, clean, 0) == []
    assert stages.earlier_versions(drop, str(folder / "nothing-yet"), 5) == []


def test_near_copies_of_published_rows_are_known_in_what_is_judged_together(dataset: tuple[Path, str, str]) -> None:
    folder, work, clean = dataset
    images, labels = pictures(1)
    ids = [f"again-{row}" for row in range(SAMPLES)]
    source = write_image_drop(folder / "again", images + np.uint8(1), labels, ids, ["a", "b", "c"]).parent
    drop = stages.ingest(str(source), work, to_dict(DropConfig()))
    versions = stages.earlier_versions(drop, clean, 5)
    joined = stages.join(drop, work, {"versions": versions}, destination=clean)
    learnt = stages.opened(joined, work).learnt_drop()
    led = dict(zip(map(str, learnt.sample_ids), map(str, learnt.leaders), strict=True))
    names = [name for name in led if name.startswith("v1/")]
    assert names
    assert all(led[name] == led[f"new/again-{int(name.rpartition('-')[2])}"] for name in names)


def test_versions_whose_numbers_mean_other_classes_are_not_learnt(dataset: tuple[Path, str, str]) -> None:
    folder, work, clean = dataset
    drop = stages.ingest(write_drop(folder / "other", 7, ("c", "b", "a")), work, to_dict(DropConfig()))
    versions = stages.earlier_versions(drop, clean, 5)
    with pytest.raises(BadInput, match="the classes of 'label' in version 1 are not those of this drop") as raised:
        stages.join(drop, work, {"versions": versions}, destination=clean)
    assert raised.value.code == "history_unlike"
