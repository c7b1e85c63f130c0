"""Publishing one judged drop: blobs first, the manifest last."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from telltale_core.errors import ConfigError, Conflict
from telltale_core.processors import threads
from telltale_core.publish.appending import Overlap, appended_line, check_decided, joined, overlap_of
from telltale_core.publish.appending import questions_of as held_back
from telltale_core.publish.blob_writer import Placer
from telltale_core.publish.commit import MOST_CONFLICTS, ParentMoved, commit, find_run, settle
from telltale_core.publish.decisions import decided, named_in
from telltale_core.publish.drop_blobs import columns_of, counts_of, place_all
from telltale_core.publish.failpoint import reach
from telltale_core.publish.gate import pass_gate
from telltale_core.publish.history import Dataset, as_store, log
from telltale_core.publish.manifest import Version, make_run_key
from telltale_core.publish.plan import (
    DropLike,
    PublishConfig,
    check_payload,
    remark_names,
)
from telltale_core.publish.reading import reading_of
from telltale_core.publish.verifying import still_whole
from telltale_core.storage import Store
from telltale_core.verdict import Verdict

logger = logging.getLogger(__name__)
LINEAGE = ("config_digest", "code_version", "seed")


def publish(
    drop: DropLike,
    verdict_dir: Path,
    dataset: Dataset,
    *,
    lineage: Mapping[str, Any],
    run_key: str | None = None,
    config: PublishConfig | None = None,
    report: Path | None = None,
    dry_run: bool = False,
) -> Version:
    """Return the version that holds the drop's kept rows; the same ``run_key`` always gives the same version.

    ``run_key`` is made of the drop and the lineage unless it is given.

    ``dataset`` is a folder, ``memory://`` or ``s3://`` URL. ``lineage`` holds at least ``config_digest``,
    ``code_version`` and ``seed``, JSON values only. With ``dry_run`` nothing is written and the version that would have
    been is returned. Raises :class:`NeedsReview` where a question is open, unless ``lineage["approved"]`` is the
    ``approval`` of that error: the code of what was shown.
    Readers see the whole version or none of it. Raises :class:`Corrupt` for a damaged input, a store that loses bytes,
    or where the version that this run published before is not whole any more; :class:`CommitUnknown` when the commit's
    outcome is unknown (run again), :class:`Transient` when the store kept refusing.
    """
    config = config or PublishConfig()
    if missing := [name for name in LINEAGE if name not in lineage]:
        raise ConfigError(f"lineage lacks {', '.join(missing)}")
    store = as_store(dataset)
    config_digest, code_version, _ = (str(lineage[name]) for name in LINEAGE)
    run_key = run_key or make_run_key(drop.digest, config_digest, code_version)
    verdict = Verdict.open(verdict_dir, drop=drop)
    versions = log(store)
    if standing := find_run(versions, run_key, drop.digest):
        _check_decision(standing, lineage)
        logger.info("run %s is version %d of %s already", run_key[:12], standing.number, store.location.url)
        return standing if dry_run else still_whole(standing, versions)
    own = Publication(store, drop, verdict, config, lineage=lineage, run_key=run_key, report=report)
    own.described(versions)
    if versions and not dry_run:
        settle(store, versions)
    placer = Placer(store, versions, uuid.uuid4().hex, dry_run=dry_run)
    reach("publish-begin")
    version = commit_next(placer, versions, functools.partial(own.draft, placer), own.standing)
    logger.info("version %d of %s: %s%s", version.number, store.location.url, version.counts, appended_line(version))
    return version


def commit_next(
    placer: Placer,
    versions: list[Version],
    draft: Callable[[list[Version]], dict[str, Any]],
    standing: Callable[[list[Version]], Version | None] = lambda _: None,
) -> Version:
    """Return the version, committed after the newest: who loses a race passes the gate again, behind the winner.

    ``standing`` returns the version that the run has published meanwhile, by another process.
    """
    for _ in range(MOST_CONFLICTS):
        manifest = draft(versions)
        reach("before-commit")
        try:
            return commit(placer, versions, manifest)
        except ParentMoved as moved:
            logger.info("%s", moved)
            versions = log(placer.store)
            if published := standing(versions):
                return published
    raise Conflict(f"{placer.store.location.url}: {MOST_CONFLICTS} other versions were committed meanwhile, run again")


MOST_PLACED = 4  # shards at a time: encoding is no faster, and each takes up to 128 MiB


class Publication:
    """What a run publishes: the manifest of its version, behind whichever version is the newest by then."""

    def __init__(
        self,
        store: Store,
        drop: DropLike,
        verdict: Verdict,
        config: PublishConfig,
        *,
        lineage: Mapping[str, Any],
        run_key: str,
        report: Path | None,
    ) -> None:
        self.store, self.drop, self.verdict, self.config = store, drop, verdict, config
        self.lineage, self.run_key, self.report = lineage, run_key, report
        self.payload = check_payload(drop)
        columns, schema = columns_of(drop, verdict, self.payload, config), self.payload.schema_arrow
        self.reading = {"reading": reading_of(drop.manifest), "schema": columns.described(schema)}
        self.reading |= {"unread": columns.unread, "left_out": columns.left_out, "remark_columns": remark_names(schema)}
        self.overlap, self.behind = Overlap(), -1
        self.placed: dict[frozenset[str], dict[str, Any]] = {}

    def standing(self, versions: list[Version]) -> Version | None:
        """Return the version that this run has published already."""
        return find_run(versions, self.run_key, self.drop.digest)

    def described(self, versions: list[Version]) -> dict[str, Any]:
        """Return what the manifest says of run and drop, having passed the gate; nothing is written."""
        if self.config.mode == "append" and self.behind != len(versions):
            also = self.verdict.record.also_judged or ()
            self.overlap = overlap_of(self.drop, versions, self.reading, self.payload, also_judged=also)
            self.behind = len(versions)
        url = self.store.location.url
        agreed = pass_gate(
            self.drop,
            self.verdict,
            versions,
            self.reading,
            self.lineage,
            also=held_back(self.overlap, self.verdict),
            unread=self.config.unread,
            of=(self.run_key, url),
        )
        check_decided(self.overlap, self.verdict, self.decided)
        return _describe(self.drop, self.verdict, url, self.run_key, agreed) | self.reading

    @functools.cached_property
    def decided(self) -> Verdict:
        """Return the verdict with what a person decided of single samples, once the gate has let that pass."""
        return decided(self.verdict, self.lineage.get("review"))

    def draft(self, placer: Placer, versions: list[Version]) -> dict[str, Any]:
        """Return the manifest of the version that comes behind ``versions``, its blobs placed."""
        described, there = self.described(versions), frozenset(self.overlap.there)
        if there not in self.placed:
            own = place_all(
                placer,
                self.drop,
                self.decided,
                self.config,
                report=self.report,
                payload=self.payload,
                there=there,
                threads=min(threads(), MOST_PLACED),
            )
            self.placed[there] = own | {"counts": counts_of(self.drop, self.decided, own, there)}
        return described | joined(self.overlap, self.placed[there])


def _check_decision(standing: Version, lineage: Mapping[str, Any]) -> None:
    """Raise :class:`Conflict` where samples are to be released or held of a run that was published without that."""
    wanted, was = (named_in(values.get("review")) for values in (lineage, standing.manifest["lineage"]))
    if wanted and wanted != was:
        raise Conflict(
            f"this run is version {standing.number} already, without this decision on single samples: bring samples "
            "back by `telltale restore`; what is to be held must be held before it is published"
        )


def _describe(drop: DropLike, verdict: Verdict, url: str, run_key: str, lineage: Mapping[str, Any]) -> dict[str, Any]:
    def shown(place: str | None) -> str | None:  # of a local path only the last part: manifests go to other readers
        return place if place is None or "://" in place else Path(place).name or "/"

    manifest = drop.manifest
    return {
        "run_key": run_key,
        "dataset": shown(url),
        "drop": {"digest": drop.digest, "name": manifest["name"], "source": shown(manifest["source"])},
        "lineage": dict(lineage),
        "verdict": verdict.record.values,
        "accounting": manifest["accounting"],
    }
