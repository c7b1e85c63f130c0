"""Why one sample is where it is."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc

from telltale_core.errors import NotFound
from telltale_core.publish.finding import full_id
from telltale_core.publish.history import Dataset, as_store, log, read_numbered
from telltale_core.publish.manifest import Blob, Version
from telltale_core.publish.tables import read_groups
from telltale_core.wording import WORDS

STATES = {"keep": "published", "quarantine": "quarantined", "review": "review"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a sample went and why: ``state`` is published, quarantined, review (set aside) or rejected.

    ``file`` holds its row. ``suspicion`` is in [0, 1], higher is worse, and None for a rejected row, which was never
    judged; so is ``cluster``. ``code_version`` is the digest of the source that decided.
    """

    sample_id: str
    state: str
    reason: str
    version: int
    file: str
    row: int
    code_version: str
    suspicion: float | None = None
    cluster: int | None = None

    def sentence(self) -> str:
        """Return the explanation as one line."""
        score = "" if self.suspicion is None else f", suspicion {self.suspicion:.3f}"
        return (
            f"{self.sample_id} is {WORDS.get(self.state, self.state)} in version {self.version}{score}: {self.reason}"
        )


def why(dataset: Dataset, sample_id: str, number: int | None = None) -> Explanation:
    """Return why a sample is published, quarantined, set aside or rejected.

    Looks in version ``number``, or else in the newest version that knows the sample. A rejected row is also found by
    its source (such as ``"train.parquet#17"``), a judged one by the beginning of its id or the name of its media file,
    where only one has it. Raises :class:`NotFound` if no version looked at knows it.
    """
    store = as_store(dataset)
    versions = log(store)[::-1] if number is None else [read_numbered(store, number)]
    for version in versions:
        if explanation := _among_judged(version, sample_id) or _among_rejected(version, sample_id):
            return explanation
    for version in versions:
        if (whole_id := full_id(version, sample_id)) and (explanation := _among_judged(version, whole_id)):
            return explanation
    where = f"version {number}" if number is not None else f"the {len(versions)} versions"
    raise NotFound(f"{where} of {store.location.url} hold no sample {sample_id!r}")


def _among_judged(version: Version, sample_id: str) -> Explanation | None:
    for blob in version.blobs("index"):
        for table in read_groups(version, blob):
            for row in table.filter(pc.equal(table["sample_id"], sample_id)).to_pylist():
                return Explanation(
                    sample_id=sample_id,
                    state=STATES[row["decision"]],
                    reason=row["reason"],
                    version=version.number,
                    file=version.store.url(row["file"]),
                    row=row["row"],
                    code_version=_judged_by(version, "index", blob.path, sample_id),
                    suspicion=row["suspicion"],
                    cluster=row["cluster"],
                )
    return None


def _among_rejected(version: Version, sample_id: str) -> Explanation | None:
    for blob in reversed(list(version.blobs("rejected"))):  # of an appended version the last drop's first
        before = 0
        for table in read_groups(version, blob, ("source", "sample_id", "reason_code", "reason")):
            for row in pc.indices_nonzero(_named(table, sample_id)).to_pylist():
                rejection = table.slice(row, 1).to_pylist()[0]
                return Explanation(
                    sample_id=rejection.get("sample_id") or sample_id,
                    state="rejected",
                    reason=f"{rejection['reason']} [{rejection['reason_code']}]",
                    version=version.number,
                    file=version.store.url(blob.path),
                    row=before + row,
                    code_version=_judged_by(version, "rejected", blob.path, sample_id),
                )
            before += table.num_rows
    return None


def _judged_by(version: Version, name: str, path: str, sample_id: str) -> str:
    """Return the code that judged a sample: a version that was appended to, or restored, holds what others judged."""
    while (before := version.follows) is not None:
        earlier = read_numbered(version.store, before)
        if path not in {blob.path for blob in earlier.blobs(name)}:
            if version.restored_from is None:
                break  # it came with this version's own drop
            path = next(blob.path for blob in earlier.blobs("index") if _holds(earlier, blob, sample_id))
        version = earlier
    return str(version.manifest["lineage"]["code_version"])


def _holds(version: Version, blob: Blob, sample_id: str) -> bool:
    return any(
        pc.any(pc.equal(table["sample_id"], sample_id)).as_py() for table in read_groups(version, blob, ("sample_id",))
    )


def _named(table: pa.Table, sample_id: str) -> pa.ChunkedArray:
    """Return which rejected rows have this id, or this source."""
    matches = pc.fill_null(pc.equal(table["source"], sample_id), False)
    return pc.or_(matches, pc.fill_null(pc.equal(table["sample_id"], sample_id), False))
