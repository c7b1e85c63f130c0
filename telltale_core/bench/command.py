"""The command that measures detection: the same bench as ``python -m telltale_core.bench``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from flows.console import ERROR, Outcome

log = logging.getLogger(__name__)

Suite = Annotated[str, typer.Option("--suite", help="Which cases; an unknown name lists those that are known.")]
Root = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder that holds the data sets; digits need none.")
]
Place = Annotated[Path, typer.Option("--work", help="Caches and results; a stopped bench goes on here.")]
Only = Annotated[
    list[str],
    typer.Option(
        "--only", metavar="WORD", default_factory=list, show_default=False, help="Cases whose name holds all words."
    ),
]
Detectors = Annotated[
    list[str],
    typer.Option(
        "--detector",
        metavar="NAME",
        default_factory=list,
        show_default=False,
        help="Who judges; else the suite's.",
    ),
]
Victims = Annotated[
    str, typer.Option("--victims", help="Ordinary classifiers trained: none, before, or after cleansing as well.")
]
Jobs = Annotated[int, typer.Option("--jobs", help="Cases at a time, a process each.")]
Threads = Annotated[int, typer.Option("--threads", help="Threads a process; 0: found by itself.")]


def bench(
    *,
    suite: Suite = "digits",
    data: Root = None,
    work: Place = Path("runs/bench"),
    only: Only,
    detectors: Detectors,
    victims: Victims = "after",
    jobs: Jobs = 1,
    threads: Threads = 1,
) -> Outcome:
    """Measure detection: poison, train, judge, hold against the truth, retrain; one Parquet file, tables and a picture.

    Every training is kept by content, so a stopped bench goes on, and a changed detector is measured on the same logs.

    \b
    Examples: telltale bench --suite digits
              telltale bench --suite cpu --data ./data --jobs 2
              telltale bench --suite detectors-digits --detector telltale --detector spectre --victims none
              telltale bench --suite cpu --data ./data --only badnets --only 11 --victims none
    """
    from telltale_core.bench.cases import suite_named
    from telltale_core.bench.harness import Bench
    from telltale_core.bench.suite import run_suite, write_results

    chosen = Bench(
        suite=suite_named(suite), data=data, work=work, detectors=tuple(detectors), victims=victims, threads=threads
    )
    rows, failed = run_suite(chosen, chosen.suite.cases_with(only), jobs, progress=log.info)
    folder = write_results(chosen, rows)
    lines = (folder / "results.md").read_text(encoding="utf-8").splitlines() if rows else []
    after = [f"failed: {name}: {why}" for name, why in failed.items()]
    after += [f"results: {folder / 'results.parquet'}, results.md, results.png"] if rows else []
    data_out = {"suite": suite, "rows": rows, "failed": failed, "folder": str(folder)}
    return Outcome(data=data_out, lines=lines, after=after, code=ERROR if failed else 0)
