"""The command that measures detection: the same bench as ``python -m telltale_core.bench``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from telltale_core.commands import Option, Outcome
from telltale_core.errors import ConfigError

log = logging.getLogger(__name__)

Suite = Annotated[str, Option(name="--suite", help="Which cases; an unknown name lists those that are known.")]
Root = Annotated[
    Path | None, Option(name="--data", metavar="DIR", help="Folder that holds the data sets; digits need none.")
]
Place = Annotated[Path, Option(name="--work", help="Caches and results; a stopped bench goes on here.")]
Only = Annotated[list[str] | None, Option(name="--only", metavar="WORD", help="Cases whose name holds all words.")]
Detectors = Annotated[list[str] | None, Option(name="--detector", metavar="NAME", help="Who judges; else the suite's.")]
Victims = Annotated[
    str, Option(name="--victims", help="Ordinary classifiers trained: none, before, or after cleansing as well.")
]
Jobs = Annotated[int, Option(name="--jobs", help="Cases at a time, a process each.")]
Sizes = Annotated[
    list[str] | None,
    Option(name="--sizes", metavar="NxLxT", help="Suite scale: samples x labels x snapshots of a log."),
]
Threads = Annotated[int, Option(name="--threads", help="Threads a process; 0: found by itself.")]


def bench(
    *,
    suite: Suite = "digits",
    data: Root = None,
    work: Place = Path("runs/bench"),
    only: Only = None,
    detectors: Detectors = None,
    victims: Victims = "after",
    jobs: Jobs = 1,
    threads: Threads = 1,
    sizes: Sizes = None,
) -> Outcome:
    """Measure detection: poison, train, judge, hold against the truth, retrain; one Parquet file, tables and a picture.

    The suite scale trains nothing: it measures time and memory of the stages on logs of given sizes.
    Every training is kept by content, so a stopped bench goes on, and a changed detector is measured on the same logs.

    \b
    Examples: telltale bench --suite digits
              telltale bench --suite cpu --data ./data --jobs 2
              telltale bench --suite detectors-digits --detector telltale --detector spectre --victims none
              telltale bench --suite cpu --data ./data --only badnets --only 11 --victims none
              telltale bench --suite scale --sizes 50000x10x100 --sizes 200000x100x100
    """
    if suite == "scale":
        if only or detectors or jobs != 1:
            raise ConfigError("the suite scale has no cases, detectors or jobs: it takes --sizes and --work alone")
        return _scale(sizes or (), work)
    if sizes:
        raise ConfigError(f"--sizes are those of the suite scale, not of {suite}")
    from telltale_core.bench.cases import suite_named
    from telltale_core.bench.harness import Bench
    from telltale_core.bench.suite import run_suite, write_results

    chosen = Bench(
        suite=suite_named(suite),
        data=data,
        work=work,
        detectors=tuple(detectors or ()),
        victims=victims,
        threads=threads,
    )
    rows, failed = run_suite(chosen, chosen.suite.cases_with(only or ()), jobs, progress=log.info)
    folder = write_results(chosen, rows)
    lines = (folder / "results.md").read_text(encoding="utf-8").splitlines() if rows else []
    after = [f"failed: {name}: {why}" for name, why in failed.items()]
    after += [f"results: {folder / 'results.parquet'}, results.md, results.png"] if rows else []
    data_out = {"suite": suite, "rows": rows, "failed": failed, "folder": str(folder)}
    return Outcome(data=data_out, lines=lines, after=after, code=1 if failed else 0)


def _scale(sizes: Sequence[str], work: Path) -> Outcome:
    from telltale_core.bench.scale import run_scale, table

    rows = run_scale(sizes, work, log.info)
    folder = work / "results" / "scale"
    data = {"suite": "scale", "rows": rows, "failed": {}, "folder": str(folder)}
    return Outcome(data=data, lines=table(rows), after=[f"results: {folder / 'results.json'}, results.md"])
