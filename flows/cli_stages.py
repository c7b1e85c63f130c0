"""Each stage by itself, without Prefect: a stage runs those before it unless they are in the work area already."""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.console import REVIEW
from flows.options import Approve, Config, DryRun, Out, Set, Split, Src, Strict, Work
from flows.places import check_places
from flows.progress import training_progress
from flows.settings import read_settings, with_split
from telltale_core.commands import Outcome
from telltale_core.wording import counted

if TYPE_CHECKING:
    from telltale_core.stages import CleanseConfig, Record, Stage

log = logging.getLogger(__name__)
SHOWN = (
    "name", "modality", "task", "columns", "num_classes", "counts", "accounting", "spellings", "lost", "repeats",
    "unread", "questions",
)  # fmt: skip


def _command(say: Callable[[Record, str], Outcome]) -> Callable[..., Outcome]:
    """Return the command that runs the pipeline up to the stage of this name, and then says what came of it."""

    def run(source: Src, *, work: Work = "runs", config: Config = None, split: Split = "", settings: Set) -> Outcome:
        chosen = read_settings(config, with_split(settings, split))
        check_places(source, work=work)
        return say(_run_to(say.__name__, source, work, chosen), work)

    run.__name__, run.__doc__ = say.__name__, say.__doc__
    return run


def ingest(
    source: Src, *, work: Work = "runs", config: Config = None, split: Split = "", strict: Strict = False, settings: Set
) -> Outcome:
    """Read a drop: every row is decoded once and kept, or rejected with a reason.

    \b
    Examples: telltale ingest ./drop
              telltale ingest ./drop --split validation --strict
              telltale ingest s3://raw/drop7 --set drop.label_column=class
    """
    from telltale_core import stages
    from telltale_core.drop.accounting import accounted_lines
    from telltale_core.drop.summary import noted_lines
    from telltale_core.drop.understanding import doubts, understood_lines

    chosen = read_settings(config, with_split(settings, split))
    check_places(source, work=work)
    record = _run_to("ingest", source, work, chosen)
    drop = stages.open_drop(record, work)
    manifest, counts, doubtful = drop.manifest, drop.manifest["counts"], doubts(drop)
    rivals = [one["column"] for one in manifest["unread"] if one["asks"] and chosen.publish.unread == "review"]
    lines = [
        f"{manifest['name']}: {manifest['modality']}, {manifest['task']}",
        f"{counts['kept']:,} of {counts['seen']:,} rows kept, {counts['rejected']:,} rejected",
        *understood_lines(drop),
        *([f"id: {manifest['columns']['id']}"] if manifest["columns"]["id"] else []),
        *accounted_lines(manifest),
        *_unread(manifest["unread"], rivals),
        *noted_lines(manifest),
        *(f"look: {doubt}" for doubt in doubtful),
        *question_lines(manifest["questions"]),
    ]
    reasons = sorted(counts["by_reason"].items())
    shown = {name: value for name, value in manifest.items() if name in SHOWN} | {"doubts": doubtful}
    heads = ("rejected because", "rows") if reasons else ()
    asked = manifest["questions"] or (strict and (doubtful or rivals))
    return _outcome(record, work, lines, shown, heads=heads, rows=reasons, code=REVIEW if asked else 0)


@_command
def train(record: Record, work: str) -> Outcome:
    """Train the proxy on a drop and log every sample's loss; continues where a killed run stopped.

    \b
    Example: telltale train ./drop --set proxy.epochs=20 --set proxy.device=cpu
    """
    from telltale_core import stages

    losslog = stages.opened(record, work).losslog()
    samples, snapshots = losslog.log_loss.shape
    shown = {"samples": samples, "snapshots": snapshots}
    return _outcome(record, work, [f"losses of {samples:,} samples at {snapshots} snapshots"], shown)


@_command
def spectrum(record: Record, work: str) -> Outcome:
    """Turn the losses of a drop into spectra.

    \b
    Example: telltale spectrum ./drop --set spectrum.whitening=1
    """
    from telltale_core import stages

    spectra = stages.opened(record, work).spectrum().record
    shown = {name: getattr(spectra, name) for name in ("samples", "n_features", "window", "non_finite")}
    first, last = spectra.window
    line = f"{spectra.samples:,} spectra of {spectra.n_features} numbers, from snapshots {first} to {last}"
    return _outcome(record, work, [line], shown)


@_command
def cluster(record: Record, work: str) -> Outcome:
    """Judge a drop: which samples move together in a way that ordinary ones do not.

    \b
    Example: telltale cluster ./drop --set verdict.false_alarm_rate=0.001
    """
    from telltale_core import stages

    verdict = stages.opened(record, work).verdict()
    lines = [verdict.statement, counted(verdict.counts), *verdict.caveats]
    code = REVIEW if verdict.needs_review else 0
    return _outcome(record, work, lines, {"verdict": verdict.values}, code=code)


@_command
def report(record: Record, work: str) -> Outcome:
    """Write the report on a drop: one HTML file that opens from disk.

    \b
    Example: telltale report ./drop
    """
    file = str(report_file(record, work))
    return _outcome(record, work, [f"report: {file}"], {"file": file})


def publish(
    source: Src,
    *,
    out: Out,
    work: Work = "runs",
    config: Config = None,
    split: Split = "",
    settings: Set,
    approve: Approve = "",
    dry_run: DryRun = False,
) -> Outcome:
    """Publish what the verdict kept as a new version of a dataset; the same run is never published twice.

    \b
    Examples: telltale publish ./drop --out ./clean --dry-run
              telltale publish ./drop --out s3://clean/signs
    """
    from telltale_core import stages
    from telltale_core.config import to_dict

    chosen = read_settings(config, with_split(settings, split), destination=out)
    check_places(source, work=work, out=out)
    record = _run_to("report", source, work, chosen)
    options: dict[str, Any] = {"approve": approve, "review": by_user() if approve else None, "dry_run": dry_run}
    outcome = stages.publish(record, work, to_dict(chosen.publish), destination=out, **options)
    return published(outcome, report_file(record, work))


def published(outcome: dict[str, Any], report: Path, lines: tuple[str, ...] = ()) -> Outcome:
    """Return the outcome of a publication, or of one that waits for a person."""
    head, counts = [outcome["statement"], *lines], f"{counted(outcome['counts'])}; report: {report}"
    data = {**outcome, "report": str(report)}
    if outcome["state"] == "needs-review":
        say = f"nothing was published: read the report, then run the same command with --approve {outcome['approval']}"
        return Outcome(data=data, lines=[*head, *question_lines(outcome["questions"]), say, counts], code=REVIEW)
    head += [f"not judged, the proxy did not see it: {', '.join(outcome['unjudged'])}"] if outcome["unjudged"] else []
    head += [f"left out, the proxy did not see it: {', '.join(outcome['left_out'])}"] if outcome["left_out"] else []
    verb = "would be published as" if outcome["state"] == "dry-run" else "is"
    where = f"this run {verb} version {outcome['version']} of {outcome['dataset']}"
    return Outcome(data=data, lines=[*head, f"{where}{outcome['appended']}", counts])


def by_user() -> dict[str, str]:
    """Return who approves by ``--approve``, and why, as the lineage keeps it."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        name = f"user {os.getuid()}"
    return {"by": name, "reason": "--approve on the command line"}


def question_lines(questions: list[dict[str, str]]) -> list[str]:
    """Return what a person must decide, a line each with the setting that answers it for all drops of the dataset."""
    lines = []
    for question in questions:
        cure = f" (for all drops: {question['cure']})" if question.get("cure") else ""
        lines.append(f"a person must decide [{question['code']}]: {question['text']}{cure}")
    return lines


def _unread(unread: list[dict[str, Any]], rivals: list[str]) -> list[str]:
    lines = [f"not read, so not judged: {', '.join(one['column'] for one in unread)}"] if unread else []
    cure = "drop.label_column and drop.input_column name what is read, drop.also_labels and drop.also_inputs more of it"
    note = f'{cure}; publication asks a person about them unless publish.unread is "keep" or "drop"'
    return [*lines, *([f"could be trained on: {', '.join(rivals)}; {note}"] if rivals else [])]


def report_file(record: Record, work: str) -> Path:
    """Return where the run's report lies."""
    from telltale_core import stages

    return stages.folder_of(record, "report", work) / "report.html"


def _run_to(last: str, source: str, work: str, config: CleanseConfig) -> Record:
    """Return the record of stage ``last``, having run what was missing up to it, by all readings if it is a verdict."""
    from telltale_core import stages
    from telltale_core.config import to_dict

    def run(stage: Stage, upstream: Record | str, own: Mapping[str, Any]) -> Record:
        with training_progress() as shown:
            return stage(upstream, work, own, progress=shown, scale=config.scale)

    settings = to_dict(config)
    settings["drop"] = stages.drop_settings(settings)
    if config.verdict.with_history:
        log.warning("verdict.with_history has no effect here: only `telltale cleanse` knows the dataset")
    order = stages.PIPELINE[: stages.PIPELINE.index(stages.STAGES[last]) + 1]
    if stages.cluster not in order:
        own = stages.readings(settings["drop"])[0]
        record: Record = stages.through(order, source, {**settings, "drop": own}, run)
        return record
    verdict = stages.together(stages.judged(source, settings, run), work, settings["drop"])
    return verdict if last == "cluster" else run(stages.report, verdict, settings["report"])


def _outcome(
    record: Record, work: str, lines: list[str], shown: dict[str, Any], *, code: int = 0, **table: Any
) -> Outcome:
    from telltale_core import stages

    folder = str(stages.folder_of(record, record["stage"], work))
    data = {"stage": record["stage"], "key": record["key"], "folder": folder, **shown}
    return Outcome(data=data, lines=lines, after=[f"folder: {folder}"], code=code, **table)
