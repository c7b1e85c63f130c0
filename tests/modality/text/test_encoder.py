"""The ids of pieces that are looked up are those that the tokeniser gives a whole text."""

import random

import pytest

from telltale_core.modality.text import encoder
from telltale_core.modality.text.encoder import Encoder
from telltale_core.modality.text.tokens import ids_of, open_tokenizer, train_tokenizer

BLANKS = " \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u2003\u2028\u200b\u3000\ufeff"
PIECES = ["", "a", "it's", "'ll", "'s", "b1", "..", "naïve", "слово", "日本語", "x_y", "\U0001f600", "e\u0301", *BLANKS]
FILE = train_tokenizer(["it's a naïve b1 .. x_y", "слово  и\n\nслово 日本語 日本語"] * 3, 400)


def texts(count):
    rng = random.Random(0)
    return [rng.choice(["", " "]).join(rng.choices(PIECES, k=rng.randint(0, 8))) for _ in range(count)]


@pytest.mark.parametrize("room", [1 << 17, 40, 0])
def test_a_text_has_the_ids_that_the_tokeniser_gives_it_whatever_is_remembered(monkeypatch, room):
    monkeypatch.setattr(encoder, "MOST_PIECES", room)
    fast, tokenizer = Encoder(FILE), open_tokenizer(FILE)
    written = [*texts(2000), *(f"{blank}a {blank}{blank} {blank}b{blank}" for blank in BLANKS), "word " * 3 + "w" * 50]
    for one, other in zip(written, reversed(written), strict=True):
        assert fast.ids((one,)).tolist() == ids_of(tokenizer, (one,)), one
        assert fast.ids((one, other)).tolist() == ids_of(tokenizer, (one, other))
    assert len(fast._known) <= max(room, 1)


def test_long_pieces_are_not_remembered():
    fast = Encoder(FILE)
    fast.ids(("short " + "w" * (encoder.MOST_CHARS + 1),))
    assert set(fast._known) == {"", "short"}
