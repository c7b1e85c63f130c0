"""The command that asks several detectors about one drop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from telltale_core.commands import DropArguments, Option, Outcome
from telltale_core.errors import ConfigError

if TYPE_CHECKING:
    from telltale_core.bench.detectors import CleanSet
    from telltale_core.drop import Drop

Names = Annotated[list[str] | None, Option(name="--detector", metavar="NAME", help="Whom to ask; may be repeated.")]
Clean = Annotated[
    str | None, Option(name="--clean", metavar="DROP", help="Samples outside the drop that you vouch for, with labels.")
]
CleanIds = Annotated[
    Path | None,
    Option(name="--known-clean", metavar="FILE", help="Ids, one a line, of samples of the drop that you vouch for."),
]
Combine = Annotated[
    int | None,
    Option(name="--combine", metavar="N", help="Also say who is flagged by N of those that decide for themselves."),
]
Place = Annotated[Path | None, Option(name="--out", metavar="DIR", help="Where the page goes; the work area if not.")]


def compare(
    arguments: DropArguments,
    *,
    detectors: Names = None,
    clean: Clean = None,
    known_clean: CleanIds = None,
    combine: Combine = None,
    out: Place = None,
) -> Outcome:
    """Ask several detectors about a drop: one table, where they agree, whom they disagree on. Publishes nothing.

    One training serves all; what stands is used again. Detectors that lack what they need are left out and named. Those
    that train further models (confusion_training, asset) are asked only by name.

    \b
    Examples: telltale compare ./drop
              telltale compare ./drop --clean ./vouched --detector telltale --detector scan --detector beatrix
              telltale compare ./drop --combine 2 --out ./opinions
    """
    from telltale_core import stages
    from telltale_core.bench.detectors.comparison import compare as side_by_side
    from telltale_core.bench.detectors.comparison_page import combined_line, opinion_rows, write_comparison
    from telltale_core.bench.detectors.runner import Question, ask
    from telltale_core.digest import digest_of
    from telltale_core.drop import check_url

    if combine is not None and combine < 1:
        raise ConfigError(f"--combine must be >= 1, got {combine}")
    source, work = arguments.source, arguments.work
    if "://" in work:
        raise ConfigError("compare keeps its opinions beside the training: --work must be a local folder")
    check_url(source)
    reading = stages.drop_settings(arguments.settings)
    ingested = stages.ingest(source, work, reading)
    with arguments.training_progress() as shown:
        trained = stages.train(ingested, work, arguments.settings["proxy"], progress=shown)
    drop = stages.open_drop(trained, work)
    question = Question(
        drop=drop,
        train_dir=stages.folder_of(trained, "train", work),
        work=Path(work),
        clean=None if clean is None else _vouched(clean, work, reading, drop),
        known_clean=() if known_clean is None else _ids(known_clean),
    )
    answers = ask(question, detectors or ())
    comparison = side_by_side(answers.opinions)
    place = out or Path(work) / "compare" / digest_of([trained["key"], comparison.record(combine)])[:24]
    page = write_comparison(drop, comparison, place, left_out=answers.left_out, quorum=combine)
    rows = [(r["name"], r["flagged"], r["share"], r["kind"], r["time"], r["says"]) for r in opinion_rows(comparison)]
    after = [*_agreement(comparison), combined_line(comparison, combine)]
    after += [f"left out: {name}: {why}" for name, why in sorted(answers.left_out.items())]
    after += [f"page: {page}"]
    data = {**comparison.record(combine), "left_out": answers.left_out, "page": str(page)}
    heads = ("detector", "flagged", "share", "its flags", "processor", "what it says")
    return Outcome(data=data, heads=heads, rows=rows, after=after)


def _vouched(source: str, work: str, settings: dict[str, Any], drop: Drop) -> CleanSet:
    """Return a clean set read as a drop; its labels are matched to the drop's by name where both have names."""
    import numpy as np

    from telltale_core import stages
    from telltale_core.bench.detectors import CleanSet

    clean_drop = stages.open_drop(stages.ingest(source, work, settings), work)
    if clean_drop.labels is None or drop.labels is None:
        raise ConfigError("--clean needs labels, and a drop that has labels")
    labels = np.asarray(clean_drop.labels, dtype=np.int64)
    if clean_drop.label_names and drop.label_names:
        place = {name: number for number, name in enumerate(drop.label_names)}
        strange = [name for name in clean_drop.label_names if name not in place]
        if strange:
            raise ConfigError(f"--clean has label {strange[0]!r}, which the drop has not")
        labels = np.array([place[name] for name in clean_drop.label_names], dtype=np.int64)[labels]
    return CleanSet(labels=labels, inputs=np.asarray(clean_drop.inputs), source=f"given by the user: {clean_drop.name}")


def _ids(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--known-clean {file} cannot be read as UTF-8 text ({type(error).__name__})") from error


def _agreement(comparison: Any) -> list[str]:
    """Return one line each for how many votes how many samples got, and the disputed ids in the terminal."""
    counts = [f"{number:,} samples: {votes} votes" for votes, number in enumerate(comparison.record(None)["votes"])]
    lines = [f"votes of {', '.join(comparison.voters) or 'nobody'}: " + "; ".join(reversed(counts))]
    rows = comparison.disputed(8)
    if len(rows):
        lines.append("disputed most:")
    opinion = comparison.opinions[0]
    lines += [f"  {opinion.sample_ids[row]}: flagged by {', '.join(comparison.flagged_by(row))}" for row in rows]
    return lines
