"""Small runs made by hand: a drop folder, a loss log, spectrum and verdict folders that follow the public schemas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop import Drop
from telltale_core.drop.manifest import DROP
from telltale_core.losslog import LossLog
from telltale_core.spectrum.record import SPECTRUM, SpectrumRecord
from tests.support import hand_records, verdicts

DIGEST = "d0" * 32


@dataclass(kw_only=True)
class Made:
    """The arguments of ``write_report``."""

    drop: Drop
    losslog: LossLog
    spectrum_dir: Path
    verdict_dir: Path
    lineage: dict

    @property
    def args(self):
        return self.drop, self.losslog, self.spectrum_dir, self.verdict_dir


@dataclass(kw_only=True)
class Recipe:
    """What kind of run to make."""

    n: int = 240
    classes: int = 4
    quarantined: int = 20
    review: int = 6
    rejected: int = 5
    epochs: int = 10
    px: int = 16
    names: tuple[str, ...] = ("cat", "dog", "ship", "truck")
    name: str = "pets"
    ids: tuple[str, ...] | None = None
    reason: str = "its losses move with 19 others of its label"
    task: str = "classification"
    label_free: bool = False
    review_needed: bool = False
    caveats: tuple[str, ...] = ("Labels with fewer than 50 samples were not tested.",)
    statement: str | None = None
    with_features: bool = True
    rejected_text: str = "cat/broken.png"


def make_run(folder: Path, recipe: Recipe) -> Made:
    """Return a run made in ``folder``."""
    rng = np.random.default_rng(4)
    label = np.arange(recipe.n) % recipe.classes
    decision = np.full(recipe.n, "keep", dtype="U10")
    own = np.flatnonzero(label == 1 % recipe.classes)
    decision[own[: recipe.quarantined]] = "quarantine"
    decision[own[recipe.quarantined : recipe.quarantined + recipe.review]] = "review"
    suspected = decision != "keep"
    ids = list(recipe.ids or ()) + [f"sample-{row:05d}" for row in range(len(recipe.ids or ()), recipe.n)]
    drop = make_drop(folder / "drop", recipe, ids, label, suspected)
    loss = make_loss(recipe, suspected, rng)
    losslog = LossLog.from_array(loss, sample_ids=ids, snapshots_per_epoch=2, drop_digest=DIGEST)
    spectrum = write_spectrum(folder / "spectrum", recipe, ids, suspected, rng)
    suspicion = np.where(suspected, 0.8, 0.1) + 0.15 * rng.random(recipe.n)
    verdict = write_verdict(folder / "verdict", recipe, ids, label, decision, suspicion)
    lineage = {"code_version": "0123456789abcdef", "keys": {"ingest": DIGEST}, "settings": {"proxy": {"seed": 3}}}
    return Made(drop=drop, losslog=losslog, spectrum_dir=spectrum, verdict_dir=verdict, lineage=lineage)


def make_drop(folder: Path, recipe: Recipe, ids: list[str], label: np.ndarray, suspected: np.ndarray) -> Drop:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (recipe.n, recipe.px, recipe.px, 3), dtype=np.uint8)
    images[suspected, -3:, -3:] = 255
    np.save(folder / "inputs.npy", images)
    classification = recipe.task == "classification"
    columns = {"sample_id": ids, "source": [f"cat/{row}.png" for row in range(recipe.n)], "content_sha256": ids}
    columns |= {"label": pa.array(label, pa.int64())} if classification else {"target": label / 3.0}
    pq.write_table(pa.table(columns), folder / "samples.parquet")
    pq.write_table(pa.table({"label": label}), folder / "payload.parquet")
    n = recipe.rejected
    codes = ["unreadable_image", "label_out_of_range"]
    rejected = {
        "source": pa.array([recipe.rejected_text] * n, pa.string()),
        "row": pa.array(range(n), pa.int64()),
        "sample_id": pa.array([None] * n, pa.string()),
        "reason_code": pa.array([codes[i % 2] for i in range(n)], pa.string()),
        "reason": pa.array(["the bytes are no image"] * n, pa.string()),
        "raw": pa.array([b"x"] * n, pa.binary()),
    }
    pq.write_table(pa.table(rejected), folder / "rejected.parquet")
    manifest = hand_records.manifest(
        digest=DIGEST,
        name=recipe.name,
        source="s3://bucket/pets",
        task=recipe.task,
        label_names=list(recipe.names) if classification else None,
        num_classes=recipe.classes if classification else None,
        counts={"seen": recipe.n + n, "kept": recipe.n, "rejected": n, "by_reason": {}, "same_content": 0},
        input={"file": "inputs.npy", "shape": list(images.shape), "dtype": "uint8"},
    )
    DROP.write(folder, manifest)
    return Drop.open(folder)


def make_loss(recipe: Recipe, suspected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Suspected samples share their swings; the others move on their own. (N, epochs x 2)."""
    t = recipe.epochs * 2
    course = -np.linspace(0.5, 5, t)
    loss = course + rng.normal(0, 0.8, (recipe.n, t))
    loss[suspected] = course + 2 * rng.normal(0, 1, t) + rng.normal(0, 0.3, (suspected.sum(), t))
    return loss.astype(np.float32)


def write_spectrum(folder: Path, recipe: Recipe, ids: list[str], suspected: np.ndarray, rng) -> Path:
    if not recipe.with_features:
        return folder
    features = rng.normal(0, 1, (recipe.n, 6)).astype(np.float32)
    features[suspected, 0] += 5
    columns = {
        "sample_id": ids,
        "features": pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), 6),
        "level": pa.array(rng.normal(size=recipe.n)),
        "trend": pa.array(rng.normal(size=recipe.n)),
        "motion": pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=12 * recipe.n)), 12),
        "finite": [True] * recipe.n,
    }
    record = SpectrumRecord(
        drop_digest=DIGEST,
        samples=recipe.n,
        non_finite=0,
        n_features=6,
        window=(4, 18),
        kept="from epoch 2 to epoch 9",
        config={},
    )
    SPECTRUM.write(folder, record, spectrum=pa.table(columns))
    return folder


def write_verdict(folder: Path, recipe: Recipe, ids: list[str], label, decision, suspicion) -> Path:
    poison_found = bool((decision == "quarantine").any())
    groups = [
        verdicts.group(
            label=None if recipe.label_free else k,
            label_name=None if recipe.label_free else recipe.names[k],
            size=int((label == k).sum()),
            samples=int((label == k).sum()),
            statistic=9.5 if k == 1 and poison_found else 1.0 + 0.01 * k,
            called=k == 1 and poison_found,
            quarantined=int(((label == k) & (decision == "quarantine")).sum()),
            review=int(((label == k) & (decision == "review")).sum()),
            p_value=0.0001 if k == 1 and poison_found else 0.4,
        )
        for k in range(1 if recipe.label_free else recipe.classes)
    ]
    return verdicts.write_verdict(
        folder,
        {
            "sample_id": ids,
            "suspicion": suspicion,
            "cluster": np.where(decision == "keep", -1, 0),
            "decision": decision.tolist(),
            "reason": [recipe.reason if d != "keep" else "moves on its own" for d in decision],
        },
        drop_digest=DIGEST,
        statement=recipe.statement
        or ("One label stands out: 20 of its samples move together." if poison_found else "No label stands out."),
        poison_found=poison_found,
        needs_review=recipe.review_needed,
        p_value=0.0004 if poison_found else 0.6,
        groups=groups,
        caveats=list(recipe.caveats),
        config={"threshold": 4.0},
    )
