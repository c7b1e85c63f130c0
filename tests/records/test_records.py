"""What every kind of record on disk keeps: whole, of its format and drop, aligned to the drop, or a typed error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from telltale_core.bench.detectors.record import OPINION, read_opinion
from telltale_core.drop import Drop
from telltale_core.drop.manifest import DROP
from telltale_core.errors import Corrupt, NotFound, StorageError
from telltale_core.losslog import LossLog
from telltale_core.losslog.writer import LOSSLOG
from telltale_core.proxy.record import TRAIN, read_train_record
from telltale_core.records import RecordKind
from telltale_core.report.page import REPORT
from telltale_core.spectrum import Spectrum, compute_spectrum
from telltale_core.spectrum.record import SPECTRUM
from telltale_core.stages.leave_out import REQUEST, RETRAINING
from telltale_core.verdict import Verdict
from telltale_core.verdict.record import VERDICT
from tests.support.hand_records import manifest, train_record
from tests.support.verdicts import group, write_verdict

IDS = [f"s{row}" for row in range(40)]
DIGEST = "d0" * 32
DROP_OF_IT: Any = SimpleNamespace(digest=DIGEST, sample_ids=np.array(IDS))
Open = Callable[[Path], Any]


def losses() -> LossLog:
    noise = np.random.default_rng(0).normal(size=(len(IDS), 40)).cumsum(axis=1) / 10
    return LossLog.from_array(noise, sample_ids=IDS, drop_digest=DIGEST, snapshots_per_epoch=2)


def make_verdict(folder: Path) -> None:
    decision = ["quarantine" if row % 7 == 0 else "keep" for row in range(len(IDS))]
    write_verdict(folder, {"sample_id": IDS, "decision": decision}, groups=[group()])


def make_spectrum(folder: Path) -> None:
    compute_spectrum(losses(), None, folder)


def make_losslog(folder: Path) -> None:
    losses().write(folder)


def written(kind: RecordKind[Any], record: Any) -> Callable[[Path], None]:
    return lambda folder: kind.write(folder, record)


def make_opinion(folder: Path) -> None:
    words: Any = dict.fromkeys(("detector", "title", "source", "statement"), "x")
    counts: Any = {"samples": 1, "flagged": 0, "known_clean": 0, "estimate_bytes": 1}
    rest: Any = {"params": {}, "needs": [], "budgeted": False, "clean_set": None, "details": {}, "usage": {}}
    table = pa.table({"sample_id": ["s0"], "suspicion": [0.5], "flagged": [False], "reason": [""]})
    OPINION.write(folder, {"drop_digest": DIGEST, **words, **counts, **rest}, opinion=table)


PLAIN: tuple[tuple[RecordKind[Any], dict[str, Any]], ...] = (
    (REPORT, {"file": "report.html", "sha256": "a0" * 32, "bytes": 1, "drop_digest": DIGEST, "status": "clean"}),
    (RETRAINING, {"drop_digest": DIGEST, "left_out": 1, "answers": [0]}),
    (REQUEST, {"left_out": ["s0"]}),
)
KINDS: dict[str, tuple[RecordKind[Any], Callable[[Path], None], Open]] = {
    "verdict": (VERDICT, make_verdict, lambda folder: Verdict.open(folder, drop=DROP_OF_IT)),
    "spectrum": (SPECTRUM, make_spectrum, lambda folder: Spectrum.open(folder, drop=DROP_OF_IT)),
    "loss log": (LOSSLOG, make_losslog, lambda folder: LossLog.open(folder, drop=DROP_OF_IT)),
    "drop": (DROP, written(DROP, manifest()), Drop.open),
    "training": (TRAIN, written(TRAIN, train_record()), lambda folder: read_train_record(folder, DROP_OF_IT)),
    "opinion": (OPINION, make_opinion, read_opinion),
    **{kind.name: (kind, written(kind, record), kind.read) for kind, record in PLAIN},
}
TABLES: dict[str, tuple[RecordKind[Any], Callable[[Path], None], Open, Callable[[Any], Any]]] = {
    "verdict": (*KINDS["verdict"], lambda opened: opened.table.to_pylist()),
    "spectrum": (*KINDS["spectrum"], lambda opened: (opened.sample_ids.tolist(), opened.spectra.features.tolist())),
}


def edit(folder: Path, kind: RecordKind[Any], **changes: Any) -> None:
    path = folder / kind.file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", KINDS)
def test_a_folder_without_its_record_is_not_found_and_says_what_to_run(tmp_path: Path, name: str) -> None:
    kind, make, open_it = KINDS[name]
    make(tmp_path)
    (tmp_path / kind.file).unlink()
    with pytest.raises(NotFound, match=f"{kind.file} is missing; {kind.cure}"):
        open_it(tmp_path)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("break_it", [lambda data: data[: len(data) // 2], lambda _: b"[1]", lambda _: b"\xff\xfe"])
def test_a_torn_record_is_corrupt(tmp_path: Path, name: str, break_it: Callable[[bytes], bytes]) -> None:
    kind, make, open_it = KINDS[name]
    make(tmp_path)
    path = tmp_path / kind.file
    path.write_bytes(break_it(path.read_bytes()))
    with pytest.raises(Corrupt, match=f"{kind.cure} again"):
        open_it(tmp_path)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("stated", ["telltale.another/9", None, ["x"] * 1000])
def test_a_record_of_another_format_is_corrupt_and_both_are_named(tmp_path: Path, name: str, stated: Any) -> None:
    kind, make, open_it = KINDS[name]
    make(tmp_path)
    edit(tmp_path, kind, format=stated)
    with pytest.raises(Corrupt, match=f"must have format '{kind.format}', found .* again") as raised:
        open_it(tmp_path)
    assert len(str(raised.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("name", KINDS)
def test_a_record_with_a_number_that_is_none_is_corrupt(tmp_path: Path, name: str) -> None:
    kind, make, open_it = KINDS[name]
    make(tmp_path)
    edit(tmp_path, kind, p_value=float("nan"))
    with pytest.raises(Corrupt, match="not a JSON record"):
        open_it(tmp_path)


@pytest.mark.parametrize("name", [*TABLES, "loss log", "training"])
def test_a_record_of_another_drop_is_corrupt(tmp_path: Path, name: str) -> None:
    kind, make, open_it = KINDS[name]
    make(tmp_path)
    edit(tmp_path, kind, drop_digest="ee" * 32)
    with pytest.raises(Corrupt, match=f"the {name} belongs to drop eeeeeeeeeeee, not to d0d0d0d0d0d0; {kind.cure}"):
        open_it(tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_a_field_that_is_missing_unknown_or_of_another_type_is_corrupt_and_named(tmp_path: Path, name: str) -> None:
    kind, make, open_it = KINDS[name]
    make(tmp_path)
    whole = json.loads((tmp_path / kind.file).read_text())
    field = next(name for name in whole if name != "format")
    lacking = {name: value for name, value in whole.items() if name != field}
    for changed, blamed in ((lacking, field), ({**whole, field: [None, {}]}, field), ({**whole, "odd": 1}, "odd")):
        (tmp_path / kind.file).write_text(json.dumps(changed))
        with pytest.raises(Corrupt, match=rf"no whole {kind.name}: {blamed}\b.*: .*; {kind.cure} again"):
            open_it(tmp_path)


@pytest.mark.parametrize("name", [name for name, (kind, _, _) in KINDS.items() if not is_dataclass(kind.type)])
def test_a_record_that_is_not_whole_is_never_written(tmp_path: Path, name: str) -> None:
    kind, _, _ = KINDS[name]
    with pytest.raises(ValidationError):
        kind.write(tmp_path, {"samples": 1}, samples=pa.table({"sample_id": ["s0"]}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", TABLES)
def test_rows_in_another_order_are_put_into_that_of_the_drop(tmp_path: Path, name: str) -> None:
    kind, make, open_it, values = TABLES[name]
    make(tmp_path)
    wanted = values(open_it(tmp_path))
    path = tmp_path / f"{kind.name}.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(1).permutation(table.num_rows)), path)
    assert values(open_it(tmp_path)) == wanted


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (list(range(3, 40)), "37 rows .* lacks 3 of the drop's 40 samples"),
        ([*range(40), 0], r"41 rows \(40 different samples\) and lacks 0"),
        ([0, *range(39)], r"40 rows \(39 different samples\) and lacks 1"),
    ],
)
def test_rows_that_are_missing_or_too_many_are_corrupt(tmp_path: Path, name: str, rows: list[int], said: str) -> None:
    kind, make, open_it, _ = TABLES[name]
    make(tmp_path)
    path = tmp_path / f"{kind.name}.parquet"
    pq.write_table(pq.read_table(path).take(rows), path)
    with pytest.raises(Corrupt, match=f"{said}.*; {kind.cure} again"):
        open_it(tmp_path)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_torn_absent_or_lacks_a_column_is_corrupt(tmp_path: Path, name: str) -> None:
    kind, make, open_it, _ = TABLES[name]
    make(tmp_path)
    path = tmp_path / f"{kind.name}.parquet"
    table, data = pq.read_table(path), path.read_bytes()
    for break_it in (
        lambda: path.write_bytes(data[: len(data) // 2]),
        path.unlink,
        lambda: pq.write_table(table.drop_columns(table.column_names[-1]), path),
    ):
        break_it()
        with pytest.raises(Corrupt, match=f"{path.name} cannot be read .*; {kind.cure} again"):
            open_it(tmp_path)


@pytest.mark.parametrize(
    ("column", "value"), [("suspicion", float("nan")), ("suspicion", 1.5), ("decision", "maybe"), ("decision", None)]
)
def test_a_verdict_with_a_value_that_says_nothing_is_corrupt(tmp_path: Path, column: str, value: Any) -> None:
    make_verdict(tmp_path)
    path = tmp_path / "verdict.parquet"
    columns = pq.read_table(path).to_pydict()
    columns[column][5] = value
    pq.write_table(pq.read_table(path).from_pydict(columns), path)
    with pytest.raises(Corrupt, match=f"{column} must be"):
        Verdict.open(tmp_path)


def test_a_verdict_whose_counts_are_not_those_of_its_table_is_corrupt(tmp_path: Path) -> None:
    make_verdict(tmp_path)
    edit(tmp_path, VERDICT, counts={"samples": 40, "keep": 40, "quarantine": 0, "review": 0})
    with pytest.raises(Corrupt, match="states counts"):
        Verdict.open(tmp_path, drop=DROP_OF_IT)


def test_a_record_reads_back_as_the_bytes_that_were_written(tmp_path: Path) -> None:
    make_verdict(tmp_path)
    before = (tmp_path / VERDICT.file).read_bytes()
    Verdict.open(tmp_path).write(tmp_path / "again")
    assert (tmp_path / "again" / VERDICT.file).read_bytes() == before


def test_where_a_table_cannot_be_written_no_record_says_that_it_stands(tmp_path: Path) -> None:
    (tmp_path / "verdict.parquet" / "in the way").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"cannot write .*verdict\.parquet"):
        make_verdict(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["verdict.parquet"]
