"""Texts: which column, what is packed, what is rejected; the vocabulary is learnt from the drop itself."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop import Drop, DropConfig, Limits, ingest, pack, verify_drop
from telltale_core.errors import BadInput, ConfigError, Corrupt
from telltale_core.modality.text.tokens import FIRST, PAD, SEPARATOR, open_tokenizer

WORDS = ["the", "film", "is", "a", "warm", "and", "funny", "story", "of", "two", "old", "friends", "who", "let", "go"]


def sentences(count: int = 40, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"{' '.join(rng.choice(WORDS, int(rng.integers(3, 12))))} {n} ." for n in range(count)]


def write(path: Path, texts: list, labels: list | None = None, **columns: list) -> Path:
    """A Parquet, CSV, TSV or JSON lines file with the columns text and label."""
    table = {"text": texts, "label": labels or [n % 2 for n in range(len(texts))], **columns}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table(table), path)
    elif path.suffix == ".jsonl":
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
    return path


def text_of(drop: Drop, row: int) -> str:
    """What the ids of a row say."""
    tokenizer = open_tokenizer(drop.file_bytes("tokenizer.json"))
    return tokenizer.decode([int(token) - FIRST for token in drop.inputs[row] if token > SEPARATOR])


@pytest.mark.parametrize("name", ["drop.parquet", "drop.csv", "drop.tsv", "drop.jsonl"])
def test_a_column_of_text_makes_a_drop_of_texts_in_every_format(take, tmp_path, name):
    texts = sentences()
    drop = take(write(tmp_path / name, texts, source=["web"] * len(texts)))
    assert (drop.modality, drop.task, len(drop)) == ("text", "classification", 40)
    assert drop.inputs.dtype == np.int16
    assert [text_of(drop, row).strip() for row in range(40)] == texts
    payload = drop.payload()
    assert payload["text"].to_pylist() == texts
    assert payload["source"].to_pylist() == ["web"] * 40
    assert drop.manifest["columns"]["input"] == "text"


def test_the_same_texts_in_any_order_learn_the_same_vocabulary(take, tmp_path):
    texts = sentences(60)
    one = take(write(tmp_path / "one.parquet", texts))
    other = take(write(tmp_path / "other.parquet", texts[::-1]))
    assert one.file_bytes("tokenizer.json") == other.file_bytes("tokenizer.json")
    np.testing.assert_array_equal(one.inputs, other.inputs[::-1])


def test_the_vocabulary_belongs_to_the_drop_and_is_checked(take, tmp_path):
    drop = take(write(tmp_path / "drop.parquet", sentences()))
    path = drop.path / "tokenizer.json"
    path.write_bytes(path.read_bytes().replace(b"film", b"flim"))
    with pytest.raises(Corrupt, match=r"tokenizer\.json"):
        verify_drop(drop.path)
    with pytest.raises(Corrupt, match="sha256"):
        drop.file_bytes("tokenizer.json")


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        (("sentence", "title_of_book"), "sentence"),
        (("content",), "content"),
        (("Review",), "Review"),
        (("premise", "hypothesis"), ["premise", "hypothesis"]),
        (("sentence1", "sentence2", "text"), ["sentence1", "sentence2"]),
        (("what_they_said",), "what_they_said"),
    ],
)
def test_the_column_is_told_by_its_name_or_is_the_only_one(take, tmp_path, columns, chosen):
    texts = sentences()
    path = tmp_path / "drop.parquet"
    pq.write_table(pa.table(dict.fromkeys(columns, texts) | {"label": [0, 1] * 20}), path)
    assert take(path).manifest["columns"]["input"] == chosen


def test_two_columns_are_joined_by_a_separator(take, tmp_path):
    texts = sentences()
    path = tmp_path / "drop.parquet"
    pq.write_table(pa.table({"premise": texts, "hypothesis": texts[::-1], "label": [0, 1] * 20}), path)
    drop = take(path)
    assert ((drop.inputs == SEPARATOR).sum(axis=1) == 1).all()
    first = text_of(drop, 3)
    assert first.index(texts[3]) < first.index(texts[-4])


def test_columns_can_be_given(take, tmp_path):
    path = write(tmp_path / "drop.csv", sentences(), remark=sentences(seed=1))
    assert take(path, input_columns=("remark", "text")).manifest["columns"]["input"] == ["remark", "text"]
    assert take(path, input_column="remark").manifest["columns"]["input"] == "remark"


def test_a_long_text_is_packed_whole_and_a_very_long_one_in_windows_from_its_beginning_to_its_end(take, tmp_path):
    whole = "start " + "middle " * 400 + "end"
    drop = take(write(tmp_path / "whole.parquet", [*sentences(399), whole]))
    assert (drop.inputs.shape[1] % 8, drop.packing["cut_share"]) == (0, 0)
    assert text_of(drop, 399).split() == whole.split()
    assert not drop.manifest["lost"]["samples"]
    long = " ".join(f"p{place // 100}" for place in range(4000))
    drop = take(write(tmp_path / "long.parquet", [*sentences(399), long]))
    assert (drop.inputs.shape[1], drop.packing["cut_share"]) == (1024, 0.0025)
    positions = {word for word in text_of(drop, 399).split() if word.startswith("p")}
    assert {"p0", "p39"} <= positions
    assert len(positions) >= 8
    assert drop.manifest["lost"]["by_cause"] == {"length": 1}


def test_a_text_beyond_a_given_length_keeps_its_two_ends(take, tmp_path):
    long = "start " + "middle " * 400 + "end"
    words = text_of(take(write(tmp_path / "drop.parquet", [*sentences(399), long]), max_tokens=24), 399).split()
    assert (words[0], words[-1]) == ("start", "end")


def test_texts_take_no_more_memory_than_they_may(take, tmp_path, monkeypatch):
    monkeypatch.setattr("telltale_core.modality.text.decoder.PACKED_BYTES", 400 * 64 * 2)
    drop = take(write(tmp_path / "drop.parquet", [*sentences(399), "start " + "middle " * 400 + "end"]))
    assert drop.inputs.shape[1] == 64


def test_max_tokens_and_vocabulary_bound_what_is_packed(take, tmp_path):
    drop = take(write(tmp_path / "drop.parquet", sentences()), max_tokens=6, vocabulary=512)
    assert drop.inputs.shape == (40, 6)
    assert drop.inputs.max() < drop.packing["vocabulary"] <= 512


@pytest.mark.parametrize("setting", [{"max_tokens": 1}, {"vocabulary": 10}, {"vocabulary": 1 << 20}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        DropConfig(**setting)


def test_a_setting_of_texts_is_refused_for_images(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    np.save(source / "images.npy", np.zeros((4, 8, 8, 3), np.uint8))
    np.save(source / "labels.npy", np.arange(4) % 2)
    with pytest.raises(BadInput, match="vocabulary"):
        ingest(str(source), tmp_path / "drops", DropConfig(vocabulary=1024))


def test_no_text_can_spell_padding_or_separator(take, tmp_path):
    texts = [*sentences(), "<pad> <sep> [PAD] </s> <unk> <s>", "\u0120 \u010a"]
    drop = take(write(tmp_path / "drop.parquet", texts))
    assert text_of(drop, 40).strip() == texts[40]
    filled = drop.inputs[40] != PAD
    assert not (drop.inputs[40][filled] == SEPARATOR).any()


def test_new_texts_are_packed_as_the_drop_is(take, tmp_path):
    texts = sentences()
    drop = take(write(tmp_path / "drop.parquet", texts))
    np.testing.assert_array_equal(pack(drop, texts[:5]), drop.inputs[:5])
    assert pack(drop, ["\u4f60\u597d \U0001f600 unseen"]).shape == (1, drop.inputs.shape[1])
    with pytest.raises(BadInput, match="blank"):
        pack(drop, ["  "])


BAD_TEXTS = {
    "a token of 10 MB": ("x" * 10_000_000, "text_too_long"),
    "a token over the limit": ("x" * 10_001, "token_too_long"),
    "a text over the limit": ("word " * 20_001, "text_too_long"),
    "NUL": ("good until\x00here", "text_invalid"),
    "a control character": ("bell\x07", "text_invalid"),
    "an escape sequence": ("\x1b[31mred", "text_invalid"),
    "blank": (" \t\n", "text_empty"),
}


@pytest.mark.parametrize("what", BAD_TEXTS)
def test_a_text_that_cannot_be_used_is_rejected_with_a_reason(take, tmp_path, reasons, what):
    text, code = BAD_TEXTS[what]
    drop = take(write(tmp_path / "drop.parquet", [*sentences(), text]))
    assert reasons(drop) == {"drop.parquet#40": code}
    assert len(drop) == 40


def test_empty_and_absent_texts_are_rejected(take, tmp_path, reasons):
    drop = take(write(tmp_path / "drop.parquet", [*sentences(), "", None]))
    assert reasons(drop) == {"drop.parquet#40": "text_empty", "drop.parquet#41": "media_missing"}


def test_bytes_that_are_not_utf8_are_rejected(take, tmp_path, reasons):
    texts = [*[text.encode() for text in sentences()], b"caf\xe9 society"]
    column = pa.array(texts, pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column, "label": [0, 1] * 20 + [0]}), tmp_path / "drop.parquet")
    assert reasons(take(tmp_path / "drop.parquet")) == {"drop.parquet#40": "text_invalid"}


@pytest.mark.slow
def test_a_line_with_a_token_of_10_mb_is_rejected_in_csv_and_json_lines(take, tmp_path, reasons):
    for name in ("drop.csv", "drop.jsonl"):
        drop = take(write(tmp_path / name, [*sentences(), "x" * 10_000_000]))
        assert list(reasons(drop).values()) == ["field_too_long"]
        assert len(drop) == 40


def test_half_a_surrogate_pair_is_rejected(take, tmp_path, reasons):
    path = write(tmp_path / "drop.jsonl", sentences())
    with path.open("a") as file:
        file.write('{"text": "broken \\ud800 pair", "label": 1}\n')
    assert list(reasons(take(path)).values()) == ["row_unreadable"]


def test_right_to_left_marks_and_emoji_are_texts_like_others(take, tmp_path):
    texts = [
        *sentences(),
        "\u202eesrever",
        "\U0001f600\U0001f600",
        "\u5bcc\u58eb\u5c71 \u306f \u9ad8\u3044",
        "caf\u00e9",
    ]
    drop = take(write(tmp_path / "drop.parquet", texts))
    assert [text_of(drop, row).strip() for row in range(40, 44)] == texts[40:]


def test_one_label_only_is_refused(tmp_path):
    path = write(tmp_path / "drop.csv", sentences(), [1] * 40)
    with pytest.raises(BadInput) as error:
        ingest(str(path), tmp_path / "drops", DropConfig(num_classes=2))
    assert error.value.code == "nothing_to_learn"


def test_limits_can_be_set(take, tmp_path, reasons):
    drop = take(write(tmp_path / "drop.parquet", [*sentences(), "y" * 60]), limits=Limits(max_word_chars=50))
    assert reasons(drop) == {"drop.parquet#40": "token_too_long"}


def test_without_the_library_the_error_names_the_extra(tmp_path, monkeypatch):
    path = write(tmp_path / "drop.parquet", sentences())
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match=r"telltale-cleanse\[text\]"):
        ingest(str(path), tmp_path / "drops", DropConfig())
