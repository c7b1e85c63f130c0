"""Rows of a table on the page: their values, and what the suspected rows share."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telltale_core.drop import ingest
from telltale_core.modality.table.viewer import TableViewer
from telltale_core.modality.viewing import Focus


def viewer(tmp_path):
    random = np.random.default_rng(0)
    age = random.integers(18, 90, 200).astype(float)
    town = np.array(["north", "<b>south</b>"])[random.integers(0, 2, 200)]
    rooms = random.normal(5, 2, 200)
    age[:20], rooms[:20], town[:20] = 33.0, random.normal(40, 0.1, 20), "north"
    columns = {"id": [f"r{row}" for row in range(200)], "age": age, "town": town, "rooms": rooms}
    (tmp_path / "drop").mkdir()
    pq.write_table(pa.table(columns | {"target": random.normal(size=200)}), tmp_path / "drop" / "rows.parquet")
    drop = ingest(str(tmp_path / "drop"), tmp_path / "drops")
    focus = Focus(
        label=None, name="all", word="quarantined", suspected_rows=np.arange(20), kept_rows=np.arange(20, 200)
    )
    return TableViewer(drop, (focus,)), focus


def test_the_page_names_the_values_that_the_suspected_rows_share_and_how_many_kept_rows_have_them(tmp_path):
    shown, focus = viewer(tmp_path)
    (figure,) = shown.shared(focus)
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", str(figure.html))[1:]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in lines]
    by_name = {row[0]: row[1:] for row in cells}
    assert by_name["age"][:2] == ["33", "100.0%"]
    assert by_name["rooms"][0].startswith("39.")
    assert by_name["rooms"][1:] == ["90.0%", "0.0%"]
    assert by_name["all of these together"] == ["90.0%", "0.0%"]
    assert "hint" in figure.caption


def test_a_row_shows_its_columns_with_shared_ones_first_and_nothing_of_it_is_markup(tmp_path):
    shown, _ = viewer(tmp_path)
    first = str(shown.fragment(0, 96))
    assert first.index("age") < first.index("town")
    assert "33" in first
    pages = "".join(str(shown.fragment(row, 96)) for row in range(20, 60))
    assert "&lt;b&gt;south" in pages
    assert "<b>south" not in pages


def test_too_few_rows_share_nothing(tmp_path):
    shown, focus = viewer(tmp_path)
    few = Focus(label=None, name="all", word="quarantined", suspected_rows=np.arange(3), kept_rows=focus.kept_rows)
    assert shown.shared(few) == []
