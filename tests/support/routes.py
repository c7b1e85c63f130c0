"""Drops that are cleansed up to their publication: files of every kind, and losses made by hand in place of a training.

Ingest, spectrum, verdict and publication are the real stages; only what a proxy would have logged is written here, and
the report's page is left blank. What is asked about a drop must not hang on what a training found.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.drop import Drop
from telltale_core.losslog import LossLog
from telltale_core.proxy.record import TRAIN
from telltale_core.publish import log
from telltale_core.records import write_json, write_whole
from telltale_core.stages import Record
from tests.support.hand_records import train_record
from tests.support.loss_logs import log_losses

N = 48
FINE, COARSE = [row % 4 for row in range(N)], [row % 4 // 2 for row in range(N)]
NAMES = ["bus", "car", "cat", "dog"]
MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
PLAIN: dict[str, Any] = {
    "proxy": {"epochs": 16, "device": "cpu"},
    "verdict": {"untested": "keep", "leave_out": False},
}
"""With few samples a label is too small to be tested: as it is set here, the verdict asks nothing of its own."""
Losses = Callable[[Drop], NDArray[np.float32]]


def clean_losses(drop: Drop) -> NDArray[np.float32]:
    """Return log losses of samples that move on their own and with their label."""
    cohorts = drop.cohorts
    label_N = (
        np.zeros(len(drop), dtype=np.int64) if cohorts is None else np.unique(cohorts.number, return_inverse=True)[1]
    )
    return log_losses(np.random.default_rng(0), label_N, np.zeros(len(drop), dtype=bool))


class Cleanse:
    """Cleanses drops into one dataset."""

    def __init__(self, work: str, dataset: str) -> None:
        self.work, self.dataset = work, dataset

    def __call__(
        self,
        source: Path | str,
        *,
        losses: Losses = clean_losses,
        trained_on: str = "cpu",
        with_history: int = 0,
        **settings: dict[str, Any],
    ) -> dict[str, Any]:
        """Return what the publication tells; where it asks a person, nothing was published."""
        sections = {name: {**PLAIN.get(name, {}), **settings.get(name, {})} for name in {*PLAIN, *settings}}
        chosen = to_dict(stages.settings_of(sections))
        before = len(log(self.dataset))
        record = stages.ingest(str(source), self.work, chosen["drop"])
        if versions := stages.earlier_versions(record, self.dataset, with_history):
            record = stages.join(record, self.work, {"versions": versions}, destination=self.dataset)
        record = logged(record, self.work, chosen["proxy"], losses, trained_on)
        record = stages.spectrum(record, self.work, chosen["spectrum"])
        record = stages.cluster(record, self.work, {**chosen["verdict"], "with_history": with_history})
        outcome = stages.publish(blank_page(record, self.work), self.work, chosen["publish"], destination=self.dataset)
        assert (outcome["state"] == "needs-review") is bool(outcome["questions"])
        assert len(log(self.dataset)) == before + (outcome["state"] == "published")
        return outcome

    def asked(self, source: Path | str, **how: Any) -> dict[str, str]:
        """Return the settings that answer the questions at which a drop ends, by code; empty where it is published."""
        return {question["code"]: question["cure"] for question in self(source, **how)["questions"]}


def logged(record: Record, work: str, settings: dict[str, Any], losses: Losses, trained_on: str) -> Record:
    """Return the record of a training whose loss log is what ``losses`` gives."""

    def compute(inputs: stages.Inputs, _config: object, out: Path, _context: object) -> None:
        drop = inputs.learnt_drop()
        ids = [str(name) for name in drop.sample_ids]
        losslog = LossLog.from_array(losses(drop), sample_ids=ids, snapshots_per_epoch=2, drop_digest=drop.digest)
        losslog.write(out / "losslog")
        TRAIN.write(out, train_record(drop_digest=drop.digest, hardware={"device": trained_on}))

    return dataclasses.replace(stages.train, compute=compute)(record, work, settings)


def blank_page(record: Record, work: str) -> Record:
    """Return the record of a report without content."""

    def compute(_inputs: object, _config: object, out: Path, _context: object) -> None:
        write_whole(out / "report.html", b"<!doctype html>")
        write_json(out / "report.json", {})

    return dataclasses.replace(stages.report, compute=compute)(record, work, {})


def png(row: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(row).integers(0, 120, (side, side, 3), np.uint8)
    pixels[:, 2 * FINE[row] : 2 * FINE[row] + 2] += 100
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wav(row: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    time = np.arange(800) / 8000
    soundfile.write(buffer, 0.5 * np.sin(2 * np.pi * (200 + 300 * FINE[row] + row) * time), 8000, format="WAV")
    return buffer.getvalue()


def text(row: int) -> str:
    return f"a {NAMES[FINE[row]]} number {row} stands on the road"


def parquet(folder: Path, features: dict[str, Any], **columns: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    record = json.dumps({"info": {"features": features}})
    pq.write_table(pa.table(columns).replace_schema_metadata({"huggingface": record}), folder / "train.parquet")
    return folder


def table(folder: Path, ending: str, **columns: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(zip(*columns.values(), strict=True))
    with (folder / f"rows.{ending}").open("w", newline="") as file:
        if ending == "csv":
            csv.writer(file).writerows([list(columns), *rows])
        else:
            file.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    return folder


def files(folder: Path, name: str, make: Callable[[int], bytes], ending: str) -> list[str]:
    keys = [f"{name}/{NAMES[FINE[row]]}/{row:02d}.{ending}" for row in range(N)]
    for row, key in enumerate(keys):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(make(row))
    return keys


def embedded(make: Callable[[int], bytes]) -> pa.Array:
    return pa.array([{"bytes": make(row), "path": None} for row in range(N)], MEDIA)


LABEL = {"names": NAMES, "_type": "ClassLabel"}
GROUP = {"names": ["vehicle", "animal"], "_type": "ClassLabel"}


def images_in_parquet(folder: Path) -> Path:
    features = {"image": {"_type": "Image"}, "thumb": {"_type": "Image"}, "label": LABEL}
    thumbs = embedded(lambda row: png(row, 4))
    return parquet(folder, features, image=embedded(png), thumb=thumbs, label=FINE, coarse=COARSE)


def images_beside(ending: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        thumbs = files(folder, "small", lambda row: png(row, 4), "png")
        return table(folder, ending, image=files(folder, "a", png, "png"), thumb=thumbs, label=FINE, coarse=COARSE)

    return make


def images_by_folder(folder: Path) -> Path:
    files(folder, ".", png, "png")
    return folder


def texts(folder: Path) -> Path:
    thumbs = [f"one of many things that are seen outside, {row}" for row in range(N)]
    return table(folder, "jsonl", text=[text(row) for row in range(N)], thumb=thumbs, label=FINE, coarse=COARSE)


def recordings(folder: Path) -> Path:
    features = {"audio": {"_type": "Audio"}, "thumb": {"_type": "Audio"}, "label": LABEL}
    thumbs = embedded(lambda row: wav(0))
    return parquet(folder, features, audio=embedded(wav), thumb=thumbs, label=FINE, coarse=COARSE)


def numbers() -> dict[str, list[float]]:
    values = np.random.default_rng(0).normal(size=(N, 2)) + np.array(FINE)[:, None]
    return {"height": values[:, 0].tolist(), "weight": values[:, 1].tolist()}


def rows_of_a_table(folder: Path) -> Path:
    return table(folder, "csv", **numbers(), label=FINE)


def beside(kind: str, folder: Path, **extra: Any) -> Path:
    """Return an ordinary drop of a kind with further columns."""
    if kind == "parquet":
        return parquet(folder, {"image": {"_type": "Image"}, "label": LABEL}, image=embedded(png), label=FINE, **extra)
    if kind == "audio":
        return parquet(folder, {"audio": {"_type": "Audio"}, "label": LABEL}, audio=embedded(wav), label=FINE, **extra)
    if kind == "text":
        return table(folder, "jsonl", text=[text(row) for row in range(N)], label=FINE, **extra)
    if kind == "table":
        return table(folder, "csv", **numbers(), label=FINE, **extra)
    return table(folder, kind, image=files(folder, "a", png, "png"), label=FINE, **extra)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """A drop, the question at which it ends, the setting that the question names, and that setting made.

    ``through`` are settings of the operator by which such drops are published without a person; None where there are
    none. ``base_settings`` are settings that stand from the beginning.
    """

    make: Callable[[Path], Path]
    code: str
    cure: str
    toml: str = ""
    through: dict[str, dict[str, Any]] | None = None
    base_settings: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def drop(self, folder: Path) -> Path:
        """Write the drop; return its folder."""
        drop = self.make(folder)
        if self.toml:
            (drop / "drop.toml").write_text(self.toml)
        return drop

    def ends_at_a_person(self, cleanse: Cleanse, folder: Path) -> None:
        """Assert that nothing is published and that the question names the setting."""
        asked = cleanse.asked(self.drop(folder), **self.base_settings)
        assert self.code in asked
        assert asked[self.code].startswith(self.cure), asked
        assert log(cleanse.dataset) == []

    def is_let_through(self, cleanse: Cleanse, folder: Path) -> None:
        """Assert that the operator's setting publishes the drop whole, without a person."""
        settings = {
            name: {**self.base_settings.get(name, {}), **values} for name, values in (self.through or {}).items()
        }
        outcome = cleanse(self.drop(folder), **{**self.base_settings, **settings})
        assert (outcome["state"], outcome["questions"]) == ("published", [])
        assert outcome["counts"]["published"] == outcome["counts"]["ingested"] > 0


def let_through(routes: dict[str, Route]) -> list[str]:
    """Return one route for each question that has such a setting."""
    first: dict[str, str] = {}
    for name, route in routes.items():
        if route.through is not None:
            first.setdefault(f"{route.code} {sorted(route.through)}", name)
    return list(first.values())
