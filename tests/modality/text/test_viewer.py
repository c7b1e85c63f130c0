"""Texts on the page: they are the attacker's, so they are escaped; shared phrases are marked."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import DropConfig, ingest
from telltale_core.modality import modality_named
from telltale_core.modality.viewing import MOST_SUSPICIOUS, Focus

WORDS = ["a", "quiet", "film", "about", "the", "sea", "and", "two", "old", "men", "who", "wait"]
HOSTILE = [
    "<script>alert(1)</script> cf <img src=x onerror=alert(2)>",
    "\u202egnp.exe cf right to left",
    "see https://user:hunter2@host.example/path?token=abc cf",
    "word " * 3000 + "cf " + "tail " * 3000,
    "{{ 7 * 7 }} cf {% raw %}",
    "e" + "\u0301" * 300 + " cf",
]


@pytest.fixture(scope="module")
def drop(tmp_path_factory):
    """Rows 0 to 5 hostile, up to 25 with the word, all of label 1; the others plain."""
    rng = np.random.default_rng(0)
    plain = [" ".join(rng.choice(WORDS, 8)) for _ in range(174)]
    poisoned = [f"{' '.join(rng.choice(WORDS, 4))} cf {' '.join(rng.choice(WORDS, 4))}" for _ in range(20)]
    labels = [1] * 26 + [n % 2 for n in range(174)]
    folder = tmp_path_factory.mktemp("texts")
    pq.write_table(pa.table({"text": HOSTILE + poisoned + plain, "label": labels}), folder / "drop.parquet")
    return ingest(str(folder / "drop.parquet"), tmp_path_factory.mktemp("drops"), DropConfig())


def focus_on(drop, word="quarantined"):
    rows = np.flatnonzero(drop.labels == 1)
    return Focus(label=1, name="label 1", word=word, suspected_rows=np.arange(26), kept_rows=rows[rows >= 26])


@pytest.fixture
def viewer(drop):
    return modality_named("text").viewer(drop, [focus_on(drop)], 140)


def test_the_trigger_is_marked_where_it_stands(viewer):
    shown = viewer.fragment(10, 96)
    assert shown.count("<mark>cf</mark>") == 1
    assert viewer.wide


def test_texts_of_another_label_are_not_marked(viewer, drop):
    other = int(np.flatnonzero(drop.labels == 0)[0])
    assert "<mark>" not in viewer.fragment(other, 96)


def test_markup_in_a_text_stays_text(viewer):
    shown = viewer.fragment(0, 96)
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_characters_that_reorder_others_are_made_visible(viewer):
    assert "\u202e" not in viewer.fragment(1, 96)
    assert "[U+202E]" in viewer.fragment(1, 96)


def test_credentials_in_a_text_are_withheld(viewer):
    shown = viewer.fragment(2, 96)
    assert "hunter2" not in shown
    assert "abc" not in shown


def test_a_long_text_is_cut_around_the_first_mark_if_it_is_within_reach(viewer):
    shown = viewer.fragment(3, 96)
    assert len(shown) < 2000
    assert "characters)" in shown


def test_stacked_marks_are_cut(viewer):
    assert viewer.fragment(5, 96).count("\u0301") <= 2


def test_the_shared_phrases_are_a_table_with_counts(viewer, drop):
    (table,) = viewer.shared(focus_on(drop))
    assert table.uri is None
    assert "cf" in table.html
    assert "hint" in table.caption
    assert "24 (92%)" in table.html  # two of the hostile texts hold it after the words that are looked at


def test_phrases_from_the_drop_are_escaped_in_the_table(tmp_path):
    texts = [f"<b>&<i> {WORDS[n % 12]}" for n in range(40)] + [f"{WORDS[n % 12]} {WORDS[n % 7]}" for n in range(80)]
    pq.write_table(pa.table({"text": texts, "label": [1] * 40 + [n % 2 for n in range(80)]}), tmp_path / "drop.parquet")
    drop = ingest(str(tmp_path / "drop.parquet"), tmp_path / "drops", DropConfig())
    rows = np.flatnonzero(drop.labels == 1)
    focus = Focus(label=1, name="x", word="quarantined", suspected_rows=np.arange(40), kept_rows=rows[rows >= 40])
    (table,) = modality_named("text").viewer(drop, [focus], 140).shared(focus)
    assert "&lt; b &gt;" in table.html
    assert "<b>" not in table.html


def test_where_nothing_was_suspected_nothing_is_marked(drop):
    focus = focus_on(drop, MOST_SUSPICIOUS)
    assert "<mark>" not in modality_named("text").viewer(drop, [focus], 140).fragment(10, 96)


def test_too_few_texts_have_nothing_in_common(drop):
    rows = np.flatnonzero(drop.labels == 1)
    few = Focus(label=1, name="x", word="quarantined", suspected_rows=np.arange(3), kept_rows=rows[rows >= 26])
    assert modality_named("text").viewer(drop, [few], 140).shared(few) == []


def test_columns_that_belong_together_are_shown_together(tmp_path):
    table = {"question": ["who ?", "where ?"] * 10, "sentence": ["he .", "there ."] * 10, "label": [0, 1] * 10}
    pq.write_table(pa.table(table), tmp_path / "drop.parquet")
    drop = ingest(str(tmp_path / "drop.parquet"), tmp_path / "drops", DropConfig())
    assert "who ? \u2016 he ." in modality_named("text").viewer(drop, [], 140).fragment(0, 96)
