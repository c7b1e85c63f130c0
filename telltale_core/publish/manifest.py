"""The record of one version: ``_versions/<number>.json``, created once, whose creation is the only commit.

A manifest proves itself: it holds the digest of its own canonical bytes without that digest, and is refused unless it
is written in just those bytes. Manifests of the format before had no such digest; they are read, and called unproved.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Iterator
from typing import Any

from telltale_core.digest import digest_of, sha256_bytes
from telltale_core.errors import ConfigError, Corrupt, TelltaleError
from telltale_core.storage import Store
from telltale_core.storage.names import check_key

FORMAT = "telltale.version/2"
UNPROVED_FORMAT = "telltale.version/1"  # without a digest of itself
PROOF = "self_sha256"
FOLDER = "_versions"
MIRROR = "_mirror"  # holds each manifest once more: what is lost from one folder stands in the other
CURE = "run `telltale verify DATASET --repair`, or restore it from a backup"
LIBRARIES = ("numpy", "pyarrow", "scikit-learn", "scipy", "torch", "torchvision", "telltale-cleanse")
_FIELDS = {
    "number": int,
    "run_key": str,
    "write_id": str,
    "created_at": str,
    "dataset": str,
    "counts": dict,
    "files": list,
    "quarantine": list,
    "rejected": list,
    "index": list,
    "report": list,
    "lineage": dict,
    "drop": dict,
    "verdict": dict,
}
LIST_NAMES = ("files", "quarantine", "rejected", "index", "report")
OTHERS = "other_splits"  # rows that nobody judged: a list of files for each split, where a version carries any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One content-addressed object of a version. ``rows`` is None for what is not a table (the report)."""

    path: str
    sha256: str
    bytes: int
    rows: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One published version. ``committed`` is False for the result of a dry run, which nobody else can see."""

    store: Store
    manifest: dict[str, Any]
    data: bytes  # the manifest's own, of which ``sha256`` is the digest
    committed: bool = True

    @property
    def sha256(self) -> str:
        """Return the digest of the manifest's bytes, by which the version after this one names it."""
        return sha256_bytes(self.data)

    @property
    def number(self) -> int:
        """Return the version's number; the first is 1 and there are no gaps."""
        return int(self.manifest["number"])

    @property
    def proved(self) -> bool:
        """Return whether the manifest holds a digest of itself, which was checked when it was read."""
        return bool(self.manifest["format"] == FORMAT)

    @property
    def restored_from(self) -> int | None:
        """Return the number of the version of which this one is a restore, or None if a run published it."""
        lineage = self.manifest["lineage"]
        number = lineage.get("restored_from") if "restore" in lineage else None
        return number if type(number) is int else None

    @property
    def appended_to(self) -> int | None:
        """Return the number of the version to whose samples this one's drop was added, or None if it holds one drop.

        A restore of such a version says the same: its drop was added to that version, too.
        """
        number = (self.manifest.get("appended") or {}).get("to")
        return number if type(number) is int else None

    @property
    def follows(self) -> int | None:
        """Return the number of the version whose samples this one holds all of, as a restore or an append does."""
        return self.appended_to if self.restored_from is None else self.restored_from

    @property
    def run_key(self) -> str:
        """Return the name of the run that made this version; it is published at most once."""
        return str(self.manifest["run_key"])

    @property
    def counts(self) -> dict[str, int]:
        """Return the row counts: ingested = published + quarantined + review + rejected; ``unjudged`` stand apart."""
        return dict(self.manifest["counts"])

    @property
    def own_counts(self) -> dict[str, int]:
        """Return the row counts of the version's own drop: of one that was appended without those before."""
        return dict((self.manifest.get("appended") or self.manifest)["counts"])

    @property
    def drop_rows(self) -> int:
        """Return how many rows its own drop had, with those that were there already where it was appended."""
        there: dict[str, int] = (self.manifest.get("appended") or {}).get("there", {})
        return self.own_counts["ingested"] + sum(there.values())

    @property
    def judged(self) -> list[str] | None:
        """Return the published columns that the proxy saw, for readers that take columns; None of an older version."""
        columns = self.manifest.get("schema", [])
        return (
            [column["name"] for column in columns if column["judged"]] if columns and "judged" in columns[0] else None
        )

    @property
    def unjudged(self) -> list[str]:
        """Return the published columns that the proxy did not see; an older version does not know and names none."""
        return [column["name"] for column in self.manifest.get("schema", []) if not column.get("judged", True)]

    def blobs(self, *lists: str) -> Iterator[Blob]:
        """Yield the version's objects of the named lists (default: all of them)."""
        for name in lists or (*LIST_NAMES, OTHERS):
            for entry in _entries(self.manifest, name):
                yield Blob(**entry)

    def urls(self) -> list[str]:
        """Return where the published shards lie, in order: ``load_dataset("parquet", data_files=version.urls())``."""
        return [self.store.url(blob.path) for blob in self.blobs("files")]

    def unjudged_splits(self) -> dict[str, list[str]]:
        """Return by its name where each split lies that the version carries and that nobody judged, in order."""
        return {
            split["split"]: [self.store.url(entry["path"]) for entry in split["files"]]
            for split in self.manifest.get(OTHERS, [])
        }

    def report_urls(self) -> list[str]:
        """Return where the report lies that was published with the version, for as long as the version."""
        return [self.store.url(blob.path) for blob in self.blobs("report")]

    def quarantine_urls(self) -> list[str]:
        """Return where the shards of quarantined and review rows lie."""
        return [self.store.url(blob.path) for blob in self.blobs("quarantine")]


def make_run_key(drop_digest: str, config_digest: str, code_version: str) -> str:
    """Return the name of a run, 64 hex digits: publishing twice under it in one dataset gives one version.

    The dataset's address is no part of it: a folder has many (relative, through links, on other hosts), and may move.
    """
    return digest_of({"code": code_version, "config": config_digest, "drop": drop_digest})


def key_of(number: int, folder: str = FOLDER) -> str:
    """Return the key of a version's manifest, or with :data:`MIRROR` that of its mirror."""
    return f"{folder}/{number:08d}.json"


def number_of(key: str, folder: str = FOLDER) -> int | None:
    """Return the version number that a key names, or None for a key of another shape."""
    name = key.removeprefix(f"{folder}/").removesuffix(".json")
    return int(name) if name.isascii() and name.isdigit() and key == key_of(int(name), folder) else None


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a version's bytes depend on."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def to_bytes(manifest: dict[str, Any]) -> bytes:
    """Return the manifest as JSON a person can read; equal manifests give equal bytes."""
    return (json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def seal(manifest: dict[str, Any]) -> bytes:
    """Return the bytes of a manifest with its proof; raises :class:`ConfigError` if it holds what JSON cannot."""
    try:
        plain = json.loads(to_bytes({name: value for name, value in manifest.items() if name != PROOF}))
        return to_bytes({**plain, PROOF: sha256_bytes(to_bytes(plain))})
    except (TypeError, ValueError, RecursionError) as error:
        message = f"lineage, verdict and drop must hold JSON values only ({type(error).__name__}): {error}"
        raise ConfigError(message) from None


def parse(store: Store, number: int, data: bytes, folder: str = FOLDER) -> Version:
    """Return the version that a manifest's bytes describe; raises :class:`Corrupt` unless it is one, whole."""
    where = store.url(key_of(number, folder))
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError):
        raise Corrupt(f"{where} is not JSON: the manifest is damaged, {CURE}") from None
    if not isinstance(manifest, dict) or manifest.get("format") not in (FORMAT, UNPROVED_FORMAT):
        raise Corrupt(f"{where} is not a manifest of format {FORMAT!r}")
    if (manifest["format"] == FORMAT or PROOF in manifest) and not _proves_itself(manifest, data):
        raise Corrupt(f"{where} does not have the sha256 that it states of itself: it is damaged, {CURE}")
    for name, kind in _FIELDS.items():
        if not isinstance(manifest.get(name), kind):
            raise Corrupt(f"{where} should hold {name!r} as a {kind.__name__}")
    if manifest["number"] != number:
        raise Corrupt(f"{where} says that it is version {manifest['number']}: {CURE}")
    _check_splits(manifest.get(OTHERS, []), where)
    for name in (*LIST_NAMES, OTHERS):
        for entry in _entries(manifest, name):
            _check_entry(entry, f"{where}, {name}")
    if not all(type(count) is int and count >= 0 for count in manifest["counts"].values()):
        raise Corrupt(f"{where} holds a count that is not a whole number")
    version = Version(store=store, manifest=manifest, data=data)
    if problem := count_problem(version):
        raise Corrupt(f"{where}: {problem}")
    return version


def _proves_itself(manifest: dict[str, Any], data: bytes) -> bool:
    try:
        return seal(manifest) == data
    except ConfigError:  # such as NaN, which Python reads as JSON
        return False


def _entries(manifest: dict[str, Any], name: str) -> list[Any]:
    """Return the files of one of a manifest's lists; those of all splits that it carries as one list."""
    if name == OTHERS:
        return [entry for split in manifest.get(OTHERS, []) for entry in split["files"]]
    return list(manifest[name])


def rows_unjudged(manifest: dict[str, Any]) -> int:
    """Return how many rows of splits that nobody judged a manifest's files hold."""
    return sum(entry["rows"] or 0 for entry in _entries(manifest, OTHERS))


def _check_splits(splits: Any, where: str) -> None:
    names = [split.get("split") for split in splits if isinstance(split, dict)] if isinstance(splits, list) else [None]
    whole = all(isinstance(name, str) for name in names) and len(set(names)) == len(names) == len(splits)
    if not whole or not all(isinstance(split.get("files"), list) for split in splits):
        raise Corrupt(f"{where}: {OTHERS} should be a list of splits with different names, each with its files")


def _check_entry(entry: Any, where: str) -> None:
    names = {field.name for field in dataclasses.fields(Blob)}
    if not isinstance(entry, dict) or set(entry) != names or not isinstance(entry["path"], str):
        raise Corrupt(f"{where}: each file must be an object with {', '.join(sorted(names))}")
    if type(entry["bytes"]) is not int or not isinstance(entry["sha256"], str):
        raise Corrupt(f"{where}: a file has no size or digest")
    if entry["rows"] is not None and type(entry["rows"]) is not int:
        raise Corrupt(f"{where}: a file's row count is not a whole number")
    try:
        check_key(entry["path"])
    except TelltaleError as error:
        raise Corrupt(f"{where}: {error}") from None


def count_problem(version: Version) -> str | None:
    """Return how a version's counts contradict each other or its files, or None if they add up."""
    counts = version.counts
    names = ("ingested", "published", "quarantined", "review", "rejected")
    if missing := [name for name in names if name not in counts]:
        return f"counts lack {', '.join(missing)}"
    parts = {name: counts[name] for name in names[1:]}
    if counts["ingested"] != sum(parts.values()):
        shown = " + ".join(f"{name} {count}" for name, count in parts.items())
        return f"counts do not add up: ingested {counts['ingested']} is not {shown}"
    stated = {
        "files": counts["published"],
        "quarantine": counts["quarantined"] + counts["review"],
        "rejected": counts["rejected"],
        "index": counts["published"] + counts["quarantined"] + counts["review"],
    }
    if counts.get("unjudged", 0) != (carried := rows_unjudged(version.manifest)):
        return f"the other splits hold {carried} rows, but the counts state {counts.get('unjudged', 0)}"
    for name, count in stated.items():
        if (held := sum(blob.rows or 0 for blob in version.blobs(name))) != count:
            return f"the {name} hold {held} rows, but the counts state {count}"
    return None
