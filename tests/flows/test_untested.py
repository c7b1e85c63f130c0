"""What no test could judge, from the drop to the publication: without a person none of it is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.drop import DropConfig
from telltale_core.drop.demo import write_image_drop
from telltale_core.publish import PublishConfig, log, why
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from tests.support import approving

pytestmark = pytest.mark.trains

PROXY = {"epochs": 4, "width": 4, "batch_size": 64, "threads": 1, "device": "cpu", "precision": "float32"}
REPORT = {**to_dict(ReportConfig()), "thumbnails": 2, "evidence_labels": 1, "heat_rows": 4, "dpi": 50}


def drop_of(folder: Path, labels: np.ndarray, bad: np.ndarray) -> str:
    """Write pictures with a bar for each label; those in ``bad`` carry a white corner and the label 0."""
    classes = int(labels.max()) + 1
    pictures = np.random.default_rng(0).integers(0, 120, (len(labels), 8, 16, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        pictures[row, :, label] += 100
    pictures[bad, 6:, 12:] = 255
    labels[bad] = 0
    ids = [f"{'bad' if row in set(bad.tolist()) else 'good'}-{row:03d}" for row in range(len(labels))]
    return str(write_image_drop(folder / "drop", pictures, labels, ids, [f"kind {k}" for k in range(classes)]).parent)


@pytest.fixture(scope="module")
def small_label(tmp_path_factory: pytest.TempPathFactory) -> tuple[stages.Record, str]:
    """The spectra of three labels, of which the first has 39 samples: 9 of its own and 30 with a trigger."""
    folder = tmp_path_factory.mktemp("small-label")
    labels = np.repeat([0, 1, 2], [9, 165, 165])
    return spectra_of(drop_of(folder, labels, np.arange(100, 130)), folder)


@pytest.fixture(scope="module")
def fine_labels(tmp_path_factory: pytest.TempPathFactory) -> tuple[stages.Record, str]:
    """The spectra of 16 labels, each with fewer than 40 samples."""
    folder = tmp_path_factory.mktemp("fine-labels")
    return spectra_of(drop_of(folder, np.arange(16 * 30) % 16, np.arange(1, 9)), folder)


def spectra_of(source: str, folder: Path) -> tuple[stages.Record, str]:
    work = str(folder / "work")
    trained = stages.train(stages.ingest(source, work, to_dict(DropConfig())), work, PROXY)
    return stages.spectrum(trained, work, to_dict(SpectrumConfig())), work


def run_pipeline(
    cleansed: tuple[stages.Record, str], dataset: Path, *, publish: Any = stages.publish, **verdict: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the verdict's record and what the publication tells."""
    spectra, work = cleansed
    judged = stages.cluster(spectra, work, {"leave_out": False, **verdict})
    page = stages.report(judged, work, REPORT)
    outcome = publish(page, work, to_dict(PublishConfig()), destination=str(dataset))
    return stages.opened(judged, work).verdict().values, outcome


def test_a_small_label_full_of_poison_is_not_published_without_a_person(
    small_label: tuple[stages.Record, str], tmp_path: Path
) -> None:
    verdict, outcome = run_pipeline(small_label, tmp_path / "out")
    assert outcome["state"] == "needs-review"
    assert not log(tmp_path / "out")
    assert "39 samples of label kind 0 could not be tested" in outcome["statement"]
    assert "untested" in {question["code"] for question in verdict["questions"]}


def test_approved_the_small_label_stays_set_aside(small_label: tuple[stages.Record, str], tmp_path: Path) -> None:
    _, outcome = run_pipeline(small_label, tmp_path / "out", publish=approving.publish_stage)
    assert outcome["state"] == "published"
    assert all(why(tmp_path / "out", f"bad-{row}").state != "published" for row in range(100, 130))


def test_an_operator_may_set_untested_labels_aside_without_a_person(
    small_label: tuple[stages.Record, str], tmp_path: Path
) -> None:
    verdict, outcome = run_pipeline(small_label, tmp_path / "out", untested="aside", review_share=1.0)
    assert [question["code"] for question in verdict["questions"]] == []
    assert outcome["state"] == "published"
    assert "is set aside in version 1" in why(tmp_path / "out", "bad-100").sentence()


def test_an_operator_may_keep_untested_labels_and_the_manifest_says_so(
    small_label: tuple[stages.Record, str], tmp_path: Path
) -> None:
    _, outcome = run_pipeline(small_label, tmp_path / "out", untested="keep", review_share=1.0)
    assert outcome["state"] == "published"
    assert "39 samples of label kind 0 could not be tested" in outcome["statement"]
    manifest = log(tmp_path / "out")[0].manifest
    assert manifest["verdict"]["config"]["untested"] == "keep"
    assert manifest["verdict"]["untested"] == 39


def test_labels_that_are_all_too_small_to_be_tested_are_not_published_without_a_person(
    fine_labels: tuple[stages.Record, str], tmp_path: Path
) -> None:
    verdict, outcome = run_pipeline(fine_labels, tmp_path / "out")
    assert outcome["state"] == "needs-review"
    assert not log(tmp_path / "out")
    assert verdict["counts"]["keep"] == 0
    assert outcome["statement"].startswith(("No verdict", "Poison found"))
