"""Class folders of text files, as aclImdb has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale_core.errors import BadInput
from tests.support import drops as support

pytest.importorskip("tokenizers")


def folder(root: Path, *, encoding: str = "utf-8") -> Path:
    for split in ("train", "test"):
        for name in ("neg", "pos"):
            (root / split / name).mkdir(parents=True)
            for number in range(24):
                text = f"Ein {name} Film über {split}, Nummer {number}.\nZweite Zeile\n"
                (root / split / name / f"{number}_7.txt").write_bytes(text.encode(encoding))
        (root / split / "urls_pos.txt").write_text("https://one\nhttps://two\n")
    (root / "imdb.vocab").write_text("ein\nfilm\n")
    (root / "README").write_text("about")
    return root


def test_class_folders_of_text_files_are_texts_and_lists_beside_them_are_rejected(tmp_path, take, reasons):
    drop = take(folder(tmp_path / "imdb"))
    assert (drop.modality, drop.label_names, len(drop)) == ("text", ("neg", "pos"), 48)
    first = drop.payload().slice(0, 1).to_pylist()[0]
    assert first == {"text": "Ein neg Film über train, Nummer 0.\nZweite Zeile\n", "label": 0}
    assert drop.samples()["source"][0].as_py() == "train/neg/0_7.txt"
    assert reasons(drop) == {"imdb.vocab": "label_missing", "train/urls_pos.txt": "label_missing"}
    assert drop.manifest["accounting"]["files"]["ignored"]["split test"]["count"] == 49


def test_a_picture_among_many_texts_is_a_rejected_row(tmp_path, take, reasons):
    (folder(tmp_path / "imdb") / "train" / "neg" / "logo.png").write_bytes(support.make_png(0))
    drop = take(tmp_path / "imdb")
    assert (drop.modality, len(drop)) == ("text", 48)
    assert "train/neg/logo.png" in reasons(drop)


def test_the_same_texts_in_another_encoding_are_the_same_with_the_setting(tmp_path, take):
    plain = take(folder(tmp_path / "a"))
    other = folder(tmp_path / "b", encoding="cp1252")
    with pytest.raises(BadInput, match=r"is not utf-8: set drop\.encoding"):
        take(other / "train")
    marked = folder(tmp_path / "c", encoding="utf-8-sig")
    for drop in (take(other, encoding="cp1252"), take(marked)):
        assert drop.payload() == plain.payload()
        assert drop.sample_ids.tolist() == plain.sample_ids.tolist()


def test_a_file_that_is_no_text_among_texts_is_a_rejected_row(tmp_path, take, reasons):
    root = folder(tmp_path / "d") / "train"
    (root / "neg" / "scores.feat").write_bytes(b"1:2 3:4")
    (root / "pos" / "empty.txt").write_bytes(b"")
    (root / "pos" / "nul.txt").write_bytes(b"a\0b")
    assert reasons(take(root)) == {
        "neg/scores.feat": "media_unsupported",
        "pos/empty.txt": "media_missing",
        "pos/nul.txt": "text_invalid",
    }
