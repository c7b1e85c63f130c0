"""What each stage computes: inputs are opened, a package is called, its result lies in the folder ``out``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from telltale_core import drop as drops
from telltale_core import proxy
from telltale_core import publish as publication
from telltale_core import report as reports
from telltale_core import spectrum as spectra
from telltale_core import verdict as verdicts
from telltale_core.config import to_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import Drop, DropConfig
from telltale_core.errors import NeedsReview
from telltale_core.proxy import ProxyConfig
from telltale_core.publish import PublishConfig
from telltale_core.questions import as_record
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.stages.inputs import JOINED, Context, Inputs
from telltale_core.stages.leave_out import leave_out_for
from telltale_core.storage import open_store
from telltale_core.verdict import VerdictConfig

DECIDING = ("drop", "modality", "proxy", "losslog", "spectrum", "verdict", "publish")
"""The packages whose source decides what is published."""


def load_libraries() -> None:
    """Import what the stages after the training compute with: torch, scikit-learn and matplotlib take seconds.

    A run that waits for a training elsewhere has that time.
    """
    for package, name in ((verdicts, "judge"), (proxy, "asker"), (reports, "write_report")):
        getattr(package, name)  # imported on demand


def ingest(source: str, config: DropConfig, out: Path, _context: Context) -> Drop:
    """Return the drop read from ``source``, in a folder of ``out`` that is named by its content."""
    return drops.ingest(source, out, config)


def train(inputs: Inputs, config: ProxyConfig, out: Path, context: Context) -> None:
    """Train the proxy and log every sample's loss; goes on where a killed run stopped. Several ranks may share it."""
    proxy.train_together(inputs.packed_drop(), out, config, progress=context.progress)


def spectrum(inputs: Inputs, config: SpectrumConfig, out: Path, _context: Context) -> None:
    """Turn the losses into spectra."""
    cohorts = inputs.packed_drop().cohorts
    labels = None if cohorts is None else cohorts.number
    spectra.compute_spectrum(inputs.losslog(), labels, out, config)


def cluster(inputs: Inputs, config: VerdictConfig, out: Path, context: Context) -> None:
    """Judge the samples by their spectra; where there is doubt, another proxy is trained without those in doubt."""
    drop = inputs.learnt_drop()
    verdict = verdicts.judge(
        inputs.folder("spectrum"),
        drop,
        out / JOINED if inputs.joined else out,
        config,
        retrain=leave_out_for(inputs, drop, context),
        trained=proxy.recorded_features(inputs.folder("train"), drop.digest),
        answers=proxy.recorded_answers(inputs.folder("train"), drop.digest),
        ask=proxy.asker(inputs.folder("train")),
    )
    if inputs.joined:
        verdicts.write_restricted(verdict, inputs.drop(), out)


def report(inputs: Inputs, config: ReportConfig, out: Path, _context: Context) -> None:
    """Write the HTML report on the verdict."""
    reports.write_report(
        inputs.learnt_drop(),
        inputs.stored_losslog(),
        inputs.folder("spectrum"),
        inputs.judged_folder(),
        out,
        lineage={
            "code_version": inputs.code_versions(),
            "keys": inputs.record["keys"],
            "settings": inputs.record["settings"],
        },
        train_record=inputs.train_record(),
        config=config,
        alone=reports.read_outline(inputs.drop(), inputs.folder("cluster")) if inputs.joined else None,
    )


def publish(inputs: Inputs, config: PublishConfig, destination: str, context: Context) -> dict[str, Any]:
    """Return what became of a run, as JSON values; publishing it again changes nothing.

    Its result lies in the destination, under the run key: that of drop, settings and source. ``state`` is
    ``published``, ``dry-run``, or ``needs-review``: a question is open and nobody has approved, so nothing was written;
    ``approval`` is the code by which just this is approved, by giving it as ``context.approve``.
    ``questions`` are those that were asked; with ``context.review`` (who approved, and why) they are kept in the
    lineage where a person was needed. ``unjudged`` are published columns that the proxy did not see.
    """
    verdict, drop, settings = inputs.verdict(), inputs.drop(), inputs.record["settings"]
    url = open_store(destination).location.url
    decided = {name: values for name, values in settings.items() if name != "report"}
    lineage = {
        "config_digest": digest_of({**decided, "publish": to_dict(config)}),
        "code_version": code_version(DECIDING),
        "seed": settings["proxy"]["seed"],
        "keys": inputs.record["keys"],
        "settings": {**settings, "publish": to_dict(config)},
    }
    run_key = publication.make_run_key(drop.digest, lineage["config_digest"], lineage["code_version"])
    outcome: dict[str, Any] = {"format": "telltale.published/1", "statement": verdict.statement}
    outcome |= {"dataset": url, "run_key": run_key}
    lineage |= {"approved": context.approve} if context.approve else {}
    lineage |= {"review": dict(context.review)} if context.review else {}
    try:
        version = publication.publish(
            drop,
            inputs.folder("cluster"),
            url,
            run_key=run_key,
            lineage=lineage,
            config=config,
            report=inputs.folder("report") / "report.html",
            dry_run=context.dry_run,
        )
    except NeedsReview as error:
        questions = as_record(error.questions)
        outcome |= {"state": "needs-review", "counts": verdict.counts, "questions": questions}
        return {**outcome, "approval": error.approval}
    outcome |= {"questions": version.manifest["lineage"].get("questions", []), "unjudged": version.unjudged}
    outcome |= {"left_out": version.manifest.get("left_out", [])}
    outcome |= {"appended": publication.appended_line(version)}
    state = "dry-run" if context.dry_run else "published"
    outcome |= {"state": state, "version": version.number, "counts": version.counts}
    if by := version.manifest["lineage"].get("review"):
        outcome["review"] = by
    lists = {"files": version.urls(), "quarantine": version.quarantine_urls(), "reports": version.report_urls()}
    return {**outcome, **lists}
