"""``python -m telltale_core.bench``: the bench, also where only the core's libraries are, as on a bare GPU machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from telltale_core.bench.cases import SUITES, suite_named
from telltale_core.bench.harness import Bench
from telltale_core.bench.opinions import known_names
from telltale_core.bench.suite import run_suite, write_results
from telltale_core.errors import TelltaleError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite and print its tables; exit code 1 if a case failed."""
    parser = argparse.ArgumentParser(prog="python -m telltale_core.bench", description=__doc__)
    parser.add_argument("--suite", default="digits", choices=sorted(SUITES))
    parser.add_argument("--data", type=Path, help="folder that holds cifar10/ and gtsrb/; digits need none")
    parser.add_argument("--work", type=Path, default=Path("runs/bench"), help="caches and results")
    parser.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="WORD", help="cases whose name holds all of these"
    )
    parser.add_argument("--detectors", nargs="*", default=[], choices=known_names(), help="the suite's own if left out")
    parser.add_argument("--victims", default="after", choices=["none", "before", "after"])
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time, a process each")
    parser.add_argument("--threads", type=int, default=1, help="threads a process; 0: found by itself")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        suite = suite_named(options.suite)
        bench = Bench(
            suite=suite,
            data=options.data,
            work=options.work,
            detectors=tuple(options.detectors),
            victims=options.victims,
            threads=options.threads,
            device=options.device,
        )
        cases = suite.cases_with(options.only)
        rows, failed = run_suite(bench, cases, options.jobs, progress=_print_progress)
        folder = write_results(bench, rows)
    except TelltaleError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if rows:
        sys.stdout.write((folder / "results.md").read_text(encoding="utf-8"))
    sys.stderr.write(f"results: {folder}\n")
    return 1 if failed else 0


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is a program


if __name__ == "__main__":
    sys.exit(main())
