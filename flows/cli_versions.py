"""Published datasets: what is there, why a sample is where it is, is it whole, bring samples back."""

from __future__ import annotations

import dataclasses
import getpass
from pathlib import Path
from typing import Annotated

import typer

from flows.console import ERROR
from flows.options import Dataset, Number, Over, Repair, Work
from telltale_core.commands import Outcome
from telltale_core.errors import ConfigError, NotFound
from telltale_core.wording import WORDS


def log(dataset: Dataset) -> Outcome:
    """List the versions of a dataset, oldest first.

    \b
    Example: telltale log ./clean
    """
    from telltale_core import publish

    names = ("ingested", "published", "quarantined", "review", "rejected")
    versions = publish.log(dataset)
    listed = [
        {
            "version": version.number,
            "created_at": version.manifest["created_at"],
            "drop": version.manifest["drop"],
            "counts": version.counts,
            "appended": version.manifest.get("appended"),
            "run_key": version.run_key,
            "proved": version.proved,
            "statement": version.manifest["verdict"].get("statement"),
        }
        for version in versions
    ]
    together = any(version.appended_to is not None for version in versions)
    rows = [
        [
            v.number,
            v.manifest["created_at"],
            v.manifest["drop"].get("name"),
            *((v.follows,) if together else ()),
            *(v.counts[n] for n in names),
        ]
        for v in versions
    ]
    heads = (
        "version",
        "created",
        "drop",
        *(("added to",) if together else ()),
        *(WORDS.get(name, name) for name in names),
    )
    if not versions:
        raise NotFound(f"{dataset} holds no published version: check the path, or publish one by telltale cleanse")
    lines = list[str]()
    if not versions[-1].proved:
        lines = [
            f"version {versions[-1].number} is unproved: its manifest, of an older format, holds no digest of itself"
        ]
    return Outcome(data={"dataset": dataset, "versions": listed}, lines=lines, heads=heads, rows=rows)


def why(
    dataset: Dataset,
    sample_id: Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="An id, its beginning, or a file.")],
    number: Number = None,
) -> Outcome:
    """Explain where a sample went, and why.

    \b
    Examples: telltale why ./clean digit-000042
              telltale why ./clean cat/001.png
              telltale why s3://clean/signs 'train.parquet#17'
    """
    from telltale_core import publish

    explanation = publish.why(dataset, sample_id, number)
    return Outcome(
        data=dataclasses.asdict(explanation),
        lines=[
            explanation.sentence(),
            f"its row: {explanation.file}, row {explanation.row}",
            f"decided by the code {explanation.code_version}"
            + (
                ""
                if explanation.cluster is None or explanation.cluster < 0
                else f", as one of group {explanation.cluster}"
            ),
        ],
    )


def export(
    dataset: Dataset,
    *,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write a Parquet file.")] = None,
    fiftyone: Annotated[
        Path | None, typer.Option("--fiftyone", metavar="FILE", help="Write labels (JSON) that FiftyOne imports.")
    ] = None,
    number: Number = None,
) -> Outcome:
    """Write the verdict on every judged sample of a version, with the name of its media file, for other tools.

    \b
    Examples: telltale export ./clean --csv verdicts.csv
              telltale export ./clean --fiftyone verdicts.json
    """
    from telltale_core import publish

    if csv is None and parquet is None and fiftyone is None:
        raise ConfigError("give --csv FILE, --parquet FILE or --fiftyone FILE")
    written: dict[str, int] = {}
    if csv is not None:
        written[str(csv)] = publish.export(dataset, csv, "csv", number)
    if parquet is not None:
        written[str(parquet)] = publish.export(dataset, parquet, "parquet", number)
    if fiftyone is not None:
        written[str(fiftyone)] = publish.export_fiftyone(dataset, fiftyone, number)
    return Outcome(data={"written": written}, lines=[f"{rows:,} verdicts: {path}" for path, rows in written.items()])


def verify(dataset: Dataset, number: Number = None, repair: Repair = False, work: Work = "runs") -> Outcome:
    """Read a version back, all of it, and hold it against its own record; exit code 1 where something is wrong.

    With --repair, what is lost or damaged is written again first: manifests from their mirror, objects from what the
    run left in the work area. Only bytes with the digest that the version states are written.

    \b
    Examples: telltale verify s3://clean/signs --version 3
              telltale verify ./clean --repair --work runs
    """
    from telltale_core import publish, stages

    data: dict[str, object] = {}
    lines: list[str] = []
    unrepaired: tuple[str, ...] = ()
    if repair:
        mended = stages.repair(dataset, work, number)
        unrepaired = mended.unrepaired
        data["repair"] = {"written": mended.written, "left": unrepaired}
        lines += [
            *(f"written again: {url}" for url in mended.written),
            *(f"left as it is: {why}" for why in unrepaired),
        ]
    result = publish.verify(dataset, number)
    data |= {**dataclasses.asdict(result), "ok": result.ok}
    size = f"{result.blobs} objects, {result.bytes:,} bytes, {result.rows:,} rows"
    if result.ok:
        lines += [f"version {result.number} is whole: {size}", *result.notes]
    else:
        lines += [f"version {result.number} is damaged ({size}):", *(f"- {problem}" for problem in result.problems)]
    return Outcome(data=data, lines=lines, code=0 if result.ok and not unrepaired else ERROR)


def restore(
    dataset: Dataset,
    sample_ids: Annotated[list[str], typer.Argument(metavar="SAMPLE_ID...", help="Samples that are held back.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the new version's lineage.")],
    by: Annotated[str | None, typer.Option("--by", help="Who; your user name by default.")] = None,
    number: Number = None,
    over: Over = None,
) -> Outcome:
    """Bring samples back from quarantine, as a new version; the old one stays as it is.

    Restores of one version at a time all hold. Where another run was published meanwhile, nothing is done (exit code
    4): the restored version would take its place.

    \b
    Example: telltale restore ./clean digit-000042 digit-000107 --reason "looked at them, they are fine"
    """
    from telltale_core import publish

    version = publish.restore(dataset, sample_ids, reason=reason, by=by or getpass.getuser(), number=number, over=over)
    data = {"version": version.number, "counts": version.counts, "restored": sorted(set(sample_ids))}
    publishes = f"it publishes {version.counts['published']:,}"
    line = f"version {version.number} has {len(set(sample_ids))} samples back; {publishes}"
    return Outcome(data=data, lines=[line])
