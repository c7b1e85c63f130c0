"""What no test could judge, copies, and poison that drips over many drops, up to the publication."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.drop import Drop
from telltale_core.drop.demo import write_image_drop
from telltale_core.publish import log, why
from telltale_core.verdict import TelltaleDetector, VerdictConfig
from tests.support.loss_logs import log_losses, make_case
from tests.support.routes import Cleanse, Losses, clean_losses

ASKING: dict[str, Any] = {"untested": "review", "dimensions": (4,)}
EACH = 50


def written(folder: Path, labels: NDArray[np.int64], images: NDArray[np.uint8] | None = None, name: str = "s") -> Path:
    """Write pictures under these labels; ids are ``name`` and the row."""
    if images is None:
        images = np.random.default_rng(len(labels)).integers(0, 255, (len(labels), 8, 8, 3), dtype=np.uint8)
    ids = [f"{name}{row:03d}" for row in range(len(labels))]
    return write_image_drop(folder, images, labels, ids, [f"kind {k}" for k in range(labels.max() + 1)]).parent


def rows_of(drop: Drop) -> NDArray[np.int64]:
    """Return the row that each sample was written at."""
    return np.array([int(str(name)[-3:]) for name in drop.sample_ids])


def swinging(chosen: Callable[[Drop], NDArray[np.bool_]], **how: float) -> Losses:
    """Return losses of which those of the chosen samples move together."""

    def losses(drop: Drop) -> NDArray[np.float32]:
        assert drop.cohorts is not None
        return log_losses(np.random.default_rng(0), drop.cohorts.number, chosen(drop), **how)

    return losses


def broken(drop: Drop) -> NDArray[np.float32]:
    losses = clean_losses(drop)
    losses[rows_of(drop) < 3, 5] = np.nan
    return losses


LARGE = np.arange(4 * EACH) % 4
SMALL = np.repeat([0, 1, 2], [39, 80, 80])
FINE = np.arange(16 * 6) % 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "losses", "code"),
    [
        (SMALL, clean_losses, "untested"),
        (FINE, clean_losses, "untested"),
        (FINE, clean_losses, "nothing_kept"),
        (LARGE, broken, "loss_not_finite"),
    ],
)
def test_what_could_not_be_tested_ends_at_a_person(
    tmp_path: Path, cleanse: Cleanse, labels: NDArray[np.int64], losses: Losses, code: str
) -> None:
    drop = written(tmp_path / "drop", labels)
    asked = cleanse.asked(drop, losses=losses, verdict=ASKING)
    assert asked[code] == ("" if code == "nothing_kept" else "verdict.untested")
    aside = {**ASKING, "untested": "aside", "review_share": 1.0}
    if labels is FINE:
        assert list(cleanse.asked(drop, losses=losses, verdict=aside)) == ["nothing_kept"]
        return
    outcome = cleanse(drop, losses=losses, verdict=aside)
    assert outcome["state"] == "published"
    assert outcome["counts"]["published"] < outcome["counts"]["ingested"]


@pytest.mark.slow
def test_a_leave_out_retraining_that_cannot_be_done_ends_at_a_person(tmp_path: Path, cleanse: Cleanse) -> None:
    case = make_case(samples=500, labels=5, poison=40)
    detector = TelltaleDetector(verdict=VerdictConfig(leave_out=False, dimensions=(4,))).fit(case.log, case.labels)
    most = max(group.statistic for group in detector.groups_ if group.kind == "together")
    doubt = {**ASKING, "min_separation": 1.25 * most}  # its cluster misses the rule by a fifth
    drop = written(tmp_path / "drop", case.labels)

    def losses(drop: Drop) -> NDArray[np.float32]:
        return case.log.log_loss[rows_of(drop)]

    how: dict[str, Any] = {"losses": losses, "trained_on": "cuda:0", "proxy": {"device": "cuda:99"}}
    asked = cleanse.asked(drop, verdict={**doubt, "leave_out": True}, **how)
    assert asked == {"leave_out_not_done": "verdict.leave_out"}
    assert cleanse(drop, verdict=doubt, **how)["state"] == "published"


def near_copies(copied: NDArray[np.bool_], label: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return pictures of which the copied ones of a label are one picture with a little noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (len(label), 8, 8, 3), dtype=np.uint8)
    for one in np.unique(label[copied]):
        rows = np.flatnonzero(copied & (label == one))
        images[rows] = images[rows[0]] // 2 + rng.integers(0, 2, (len(rows), 8, 8, 3), dtype=np.uint8)
    return images


@pytest.mark.slow
def test_copies_of_one_picture_that_stand_out_end_at_a_person(tmp_path: Path, cleanse: Cleanse) -> None:
    label = np.arange(450) % 3
    copied = (label == 2) & (np.arange(450) < 90)
    drop = written(tmp_path / "drop", label, near_copies(copied, label))
    assert list(cleanse.asked(drop, losses=swinging(lambda drop: copied[rows_of(drop)]), verdict=ASKING)) == [
        "copies_stand_out"
    ]


@pytest.mark.slow
def test_copies_in_other_labels_hide_no_poison(tmp_path: Path, cleanse: Cleanse) -> None:
    label = np.arange(700) % 5
    poison = (label == 4) & (np.arange(700) < 300)
    copied = (label < 4) & (np.arange(700) < 250)
    drop = written(tmp_path / "drop", label, near_copies(copied, label))

    def losses(drop: Drop) -> NDArray[np.float32]:
        rows, rng = rows_of(drop), np.random.default_rng(7)
        log_loss = log_losses(np.random.default_rng(0), label[rows], poison[rows])
        for one in range(4):
            copies = np.flatnonzero(copied[rows] & (label[rows] == one))
            log_loss[copies] = log_loss[copies[0]] + rng.normal(0, 0.15, (len(copies), log_loss.shape[1]))
        return log_loss

    outcome = cleanse(drop, losses=losses, verdict=ASKING)
    assert outcome["counts"]["quarantined"] >= poison.sum()
    assert all(why(cleanse.dataset, f"s{row:03d}").state == "quarantined" for row in np.flatnonzero(poison))


@pytest.mark.slow
def test_poison_that_drips_over_drops_ends_at_a_person(tmp_path: Path, cleanse: Cleanse) -> None:
    def losses(drop: Drop) -> NDArray[np.float32]:
        assert drop.cohorts is not None
        dripped = (rows_of(drop) < 24) & (drop.cohorts.number == 0)
        together = dripped if len(drop) > 4 * EACH else np.zeros(len(drop), dtype=bool)  # too few of them in one drop
        return log_losses(np.random.default_rng(0), drop.cohorts.number, together)

    def drop(day: int) -> Path:
        images = np.random.default_rng(day).integers(0, 255, (len(LARGE), 8, 8, 3), dtype=np.uint8)
        return written(tmp_path / f"day{day}", LARGE, images, f"day{day}-")

    for day in range(4):
        assert cleanse(drop(day), losses=losses, verdict=ASKING)["state"] == "published"
    asked = cleanse.asked(drop(9), losses=losses, with_history=10, verdict=ASKING)
    assert asked == {"history_suspected": ""}
    assert len(log(cleanse.dataset)) == 4
