"""A whole suite: its cases by several processes, the results in one Parquet file, tables and pictures beside it."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.bench.cases import Case
from telltale_core.bench.data import load
from telltale_core.bench.harness import Bench, run_case
from telltale_core.bench.misses import draw_misses
from telltale_core.bench.opinion_tables import draw_opinions, render_opinions
from telltale_core.bench.pictures import draw
from telltale_core.bench.tables import render

log = logging.getLogger(__name__)
Row = dict[str, Any]


def run_suite(
    bench: Bench, cases: Sequence[Case], jobs: int = 1, progress: Callable[[str], None] = print
) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of all cases that ended and, by case, why the others did not; results stand after every case.

    ``jobs`` cases run at a time, each in a process of its own; a case that fails does not stop the others.
    """
    for name in sorted({case.data for case in cases}):
        load(name, bench.data, bench.work / "data")  # decoded once, before several processes want it
    failed: dict[str, str] = {}
    number = 0
    for case, outcome in _outcomes(bench, cases, jobs):
        number += 1
        if isinstance(outcome, Exception):
            failed[str(case)] = f"{type(outcome).__name__}: {outcome}"
            progress(f"[{number}/{len(cases)}] {case}: FAILED, {failed[str(case)]}")
            continue
        progress(f"[{number}/{len(cases)}] {case}: {_brief(outcome)}")
        write_results(bench, standing_rows(bench))
    return standing_rows(bench), failed


def _outcomes(bench: Bench, cases: Sequence[Case], jobs: int) -> Iterator[tuple[Case, list[Row] | Exception]]:
    if jobs == 1:
        for case in cases:
            try:
                yield case, run_case(bench, case)
            except Exception as error:
                log.exception("%s failed", case)
                yield case, error
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running: dict[Future[list[Row]], Case] = {pool.submit(run_case, bench, case): case for case in cases}
        for future in as_completed(running):
            try:
                yield running[future], future.result()
            except Exception as error:
                log.exception("%s failed", running[future])
                yield running[future], error


def standing_rows(bench: Bench) -> list[Row]:
    """Return the rows of every case of the suite that has ended in this work area, in the suite's order."""
    rows: list[Row] = []
    for case in bench.suite.cases:
        path = bench.work / "rows" / bench.suite.name / f"{case.key()}.json"
        if path.is_file():
            rows += json.loads(path.read_bytes())["rows"]
    return rows


def write_results(bench: Bench, rows: Sequence[Row]) -> Path:
    """Return the folder with ``results.parquet``, ``results.md`` and the pictures of these rows."""
    folder = bench.work / "results" / bench.suite.name
    folder.mkdir(parents=True, exist_ok=True)
    if rows:
        pq.write_table(pa.Table.from_pylist(list(rows)), folder / "results.parquet", compression="zstd")
        table = render_opinions(rows) if bench.suite.opinions else render(rows)
        (folder / "results.md").write_text(table, encoding="utf-8")
        if bench.suite.opinions:
            draw_opinions(rows, folder / "results.png")
        else:
            draw(rows, folder)
            draw_misses(bench.work / "misses" / bench.suite.name, folder)
    return folder


def _brief(rows: Sequence[Row]) -> str:
    if not rows:
        return "trained"
    first = rows[0]
    caught = f"{first['found']} of {first['poisoned']} found, {first['wrongly_quarantined']} wrong"
    success = first["attack_success_before"]
    return caught + (f", attack success {success:.1%} before" if success is not None else "")
