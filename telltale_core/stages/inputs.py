"""What a stage is given to compute with: the results that it rests on, opened, and what the run brings along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telltale_core.digest import code_version
from telltale_core.drop import Drop
from telltale_core.drop.record import PUBLISHED
from telltale_core.losslog import LossLog, StoredLog
from telltale_core.proxy import Progress
from telltale_core.proxy.record import Train, read_train_record
from telltale_core.scale import ScaleConfig
from telltale_core.spectrum import Spectrum
from telltale_core.storage import WorkArea
from telltale_core.verdict.record import VERDICT, VerdictRecord

Record = dict[str, Any]
Settings = Mapping[str, Any]

JOINED = "joined"
"""In a verdict's folder, the verdict on a drop together with published versions; beside it that on the drop alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Where a stage keeps its results, the file that makes a folder complete, and the packages that decide its key."""

    name: str
    folder: str = ""
    record: str = ""
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """A stage record and its work area; ``places`` are those of the stages that may be opened, by name."""

    record: Record
    work: str
    places: Mapping[str, Place]

    def folder(self, stage: str, *, without: Collection[str] = ()) -> Path:
        """Return the local folder of a stage that the record rests on; fetched first if the work area is remote.

        Files that match a pattern of ``without`` are left where they are.
        """
        place = self.places[stage]
        return WorkArea(self.work).fetch(place.folder, self.record["keys"][stage], place.record, without=without)

    def drop(self, *, without: Collection[str] = ()) -> Drop:
        """Return the drop, with the name and source that this run gave it."""
        return Drop.open(self.folder("ingest", without=without)).with_origin(self.record["origin"])

    @property
    def joined(self) -> bool:
        """Whether the drop is learnt together with published versions."""
        return "join" in self.record["keys"]

    def learnt_drop(self) -> Drop:
        """Return the drop that the proxy learns and the verdict compares: joined with published versions, if it is."""
        return Drop.open(self.folder("join")) if self.joined else self.drop()

    def packed_drop(self) -> Drop:
        """Return :meth:`learnt_drop` as a training needs it: packed inputs and answers, without the media."""
        if self.joined:
            return Drop.open(self.folder("join", without=PUBLISHED))
        return self.drop(without=PUBLISHED)

    def losslog(self) -> LossLog:
        """Return the loss log of :meth:`learnt_drop`."""
        return LossLog.open(self.folder("train") / "losslog", drop=self.packed_drop())

    def stored_losslog(self) -> StoredLog:
        """Return the same log, whose losses are read by the sample."""
        return StoredLog.open(self.folder("train") / "losslog", drop=self.packed_drop())

    def train_record(self) -> Train:
        """Return what the training of :meth:`learnt_drop` says of itself."""
        return read_train_record(self.folder("train"), self.packed_drop())

    def spectrum(self) -> Spectrum:
        """Return the spectra of :meth:`learnt_drop`."""
        return Spectrum.open(self.folder("spectrum"), drop=self.packed_drop())

    def verdict(self) -> VerdictRecord:
        """Return what the verdict says of the drop as a whole."""
        record = VERDICT.read(self.folder("cluster"))
        VERDICT.check_drop(record.drop_digest, self.drop())
        return record

    def judged_folder(self) -> Path:
        """Return the folder of the verdict on all that the proxy learnt: the rows of :meth:`learnt_drop`."""
        folder = self.folder("cluster")
        return folder / JOINED if self.joined else folder

    def code_versions(self) -> dict[str, str]:
        """Return the digest of the source code of each stage that the record rests on."""
        return {name: code_version(self.places[name].packages) for name in self.record["keys"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a run brings beside settings. It decides nothing about a stage's result, so no key holds it."""

    destination: str = ""
    approve: str = ""
    review: Mapping[str, Any] | None = None
    dry_run: bool = False
    progress: Callable[[Progress], None] | None = None
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    retrain: Callable[[Record, str], None] | None = None
    """Has the leave-out retraining of a record and key run on another machine, and returns once it has."""
