"""The stages themselves: open what the upstream record names, call the room, say what came of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from telltale_core import drop as drops
from telltale_core import proxy, stopping
from telltale_core import publish as publication
from telltale_core import report as reports
from telltale_core import spectrum as spectra
from telltale_core import verdict as verdicts
from telltale_core.config import from_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import DropConfig
from telltale_core.errors import BadInput, NeedsReview, NotFound, Stopped
from telltale_core.losslog.files import write_json
from telltale_core.proxy import Progress, ProxyConfig
from telltale_core.publish import PublishConfig
from telltale_core.questions import as_record
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.stages.record import (
    DECIDING,
    JOINED,
    SOURCES,
    STAGES,
    Record,
    Settings,
    alone,
    finish,
    folder_of,
    judged_folder,
    key_for,
    learnt_drop,
    open_drop,
    open_losslog,
    read_in,
    read_record,
    record_of,
)
from telltale_core.stages.second_look import Elsewhere, look_for
from telltale_core.storage import open_store
from telltale_core.verdict import VerdictConfig

log = logging.getLogger(__name__)


def ingest(source: str, work: str, settings: Settings, *, key: str | None = None) -> Record:
    """Return the record of the drop read from ``source``; ``settings`` are those of :class:`DropConfig`.

    Raises :class:`BadInput` ``source_changed`` where the source changed while it was read: the drop would not be the
    one that the key names, however often it is tried. A new run has a new key.
    """
    key = key or key_for("ingest", source, settings)
    with alone("ingest", key, source, settings, work) as (area, done):
        if done:
            return done
        drop = drops.ingest(source, area.root / STAGES["ingest"].folder, from_dict(DropConfig, settings, "drop"))
        if key_for("ingest", source, settings) != key:
            message = f"{source} changed while it was read; run again once its upload is complete"
            raise BadInput("source_changed", message)
        area.push(STAGES["ingest"].folder, drop.digest, STAGES["ingest"].record)
        known: dict[str, object] = {"format": "telltale.ingest/1", "source_key": key, "drop_digest": drop.digest}
        known["origin"] = drop.origin
        place = area.path(SOURCES.folder, key)
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / SOURCES.record, known)
        area.push(SOURCES.folder, key, SOURCES.record)
        return record_of("ingest", drop.digest, read_in(drop.origin), settings)


def train(
    upstream: Record,
    work: str,
    settings: Settings,
    *,
    key: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Record:
    """Return the record of the proxy training on the drop of ``upstream``; resumes where a killed run stopped.

    A signal that ends the process has the training save its state, here and in a remote work area, first.
    """
    key = key or key_for("train", upstream, settings)
    with alone("train", key, upstream, settings, work) as (area, done):
        if done:
            return done
        with contextlib.suppress(NotFound):
            area.fetch("train", key, STAGES["train"].record)  # another machine's checkpoint
        out = area.path("train", key)

        pushed: set[tuple[int, int]] = set()

        def see(seen: Progress) -> None:
            if area.remote and (seen.member, seen.epoch) not in pushed:
                pushed.add((seen.member, seen.epoch))
                area.push("train", key, STAGES["train"].record)
            if progress is not None:
                progress(seen)

        with stopping.in_order():
            try:
                proxy.train(learnt_drop(upstream, work), out, from_dict(ProxyConfig, settings, "proxy"), progress=see)
            except Stopped as stopped:
                area.push("train", key, STAGES["train"].record)
                log.warning("train: %s", stopped)
                raise
        return finish("train", key, upstream, settings, area)


def spectrum(upstream: Record, work: str, settings: Settings, *, key: str | None = None) -> Record:
    """Return the record of the spectra of the loss log of ``upstream``."""
    key = key or key_for("spectrum", upstream, settings)
    with alone("spectrum", key, upstream, settings, work) as (area, done):
        if done:
            return done
        config = from_dict(SpectrumConfig, settings, "spectrum")
        cohorts = learnt_drop(upstream, work).cohorts
        labels = None if cohorts is None else cohorts.number
        spectra.compute_spectrum(open_losslog(upstream, work), labels, area.path("spectrum", key), config)
        return finish("spectrum", key, upstream, settings, area)


def cluster(
    upstream: Record,
    work: str,
    settings: Settings,
    *,
    key: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Record:
    """Return the record of the verdict on the spectra of ``upstream``.

    Where there is doubt, a second look trains another proxy: ``progress`` tells of it, or ``elsewhere`` has it done.
    """
    key = key or key_for("cluster", upstream, settings)
    with alone("cluster", key, upstream, settings, work) as (area, done):
        if done:
            return done
        drop, folder = learnt_drop(upstream, work), area.path(STAGES["cluster"].folder, key)
        joined = "join" in upstream["keys"]
        verdict = verdicts.judge(
            folder_of(upstream, "spectrum", work),
            drop,
            folder / JOINED if joined else folder,
            from_dict(VerdictConfig, settings, "verdict"),
            look=look_for(upstream, work, drop, progress, elsewhere),
        )
        if joined:
            verdicts.write_restricted(verdict, open_drop(upstream, work), folder)
        return finish("cluster", key, upstream, settings, area)


def report(upstream: Record, work: str, settings: Settings, *, key: str | None = None) -> Record:
    """Return the record of the HTML report on the verdict of ``upstream``."""
    key = key or key_for("report", upstream, settings)
    with alone("report", key, upstream, settings, work) as (area, done):
        if done:
            return done
        reports.write_report(
            learnt_drop(upstream, work),
            open_losslog(upstream, work),
            folder_of(upstream, "spectrum", work),
            judged_folder(upstream, work),
            area.path("report", key),
            lineage={
                "code_version": {name: code_version(STAGES[name].rooms) for name in upstream["keys"]},
                "keys": upstream["keys"],
                "settings": upstream["settings"],
            },
            train_record=read_record(upstream, "train", work),
            config=from_dict(ReportConfig, settings, "report"),
        )
        return finish("report", key, upstream, settings, area)


def publish(
    upstream: Record,
    destination: str,
    work: str,
    settings: Settings,
    *,
    approve: str = "",
    review: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Return what became of the run whose report is ``upstream``, as JSON values; publishing again changes nothing.

    ``state`` is ``published``, ``dry-run``, or ``needs-review``: a question is open and nobody has approved, so nothing
    was written; ``approval`` is the code by which just this is approved, by giving it as ``approve``. ``questions`` are
    those that were asked; with ``review`` (who approved, and why) they are kept in the
    lineage where a person was needed. ``unjudged`` are published columns that the proxy did not see.
    """
    verdict, drop = read_record(upstream, "cluster", work), open_drop(upstream, work)
    url = open_store(destination).location.url
    decided = {name: values for name, values in upstream["settings"].items() if name != "report"}
    config = digest_of({**decided, "publish": dict(settings)})
    code = code_version(DECIDING)
    run_key = publication.make_run_key(drop.digest, config, code)
    told = {"format": "telltale.published/1", "statement": verdict["statement"], "dataset": url, "run_key": run_key}
    lineage = {
        "config_digest": config,
        "code_version": code,
        "seed": upstream["settings"]["proxy"]["seed"],
        "keys": upstream["keys"],
        "settings": {**upstream["settings"], "publish": dict(settings)},
    }
    if approve:
        lineage |= {"approved": approve} | ({"review": dict(review)} if review else {})
    try:
        version = publication.publish(
            drop,
            folder_of(upstream, "cluster", work),
            url,
            run_key=run_key,
            lineage=lineage,
            config=from_dict(PublishConfig, settings, "publish"),
            report=folder_of(upstream, "report", work) / "report.html",
            dry_run=dry_run,
        )
    except NeedsReview as error:
        asked = as_record(error.questions)
        told |= {"state": "needs-review", "counts": verdict["counts"], "questions": asked}
        return {**told, "approval": error.approval}
    told |= {"questions": version.manifest["lineage"].get("questions", []), "unjudged": version.unjudged}
    told |= {"left_out": version.manifest.get("left_out", [])}
    told |= {"state": "dry-run" if dry_run else "published", "version": version.number, "counts": version.counts}
    if by := version.manifest["lineage"].get("review"):
        told["review"] = by
    return {**told, "files": version.urls(), "quarantine": version.quarantine_urls()}
