"""What suspected texts hold and kept ones do not."""

from telltale_core.modality.text.phrases import Enriched, enriched, spans, words_of

FILLER = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def texts(count: int, extra: str = "") -> list[str]:
    return [
        " ".join([*FILLER[n % 5 : n % 5 + 4], extra, FILLER[(3 * n) % 10]]).replace("  ", " ") for n in range(count)
    ]


def test_a_word_in_all_suspected_and_no_kept_texts_leads() -> None:
    first, *_ = enriched(texts(40, "cf"), texts(200))
    assert first.words == ("cf",)
    assert (first.in_suspected, first.in_kept) == (40, 0)
    assert first.lower > 4


def test_a_sentence_is_told_as_one_phrase_and_not_by_its_parts() -> None:
    phrases = enriched(texts(40, "i watch this movie"), texts(200))
    assert [phrase.words for phrase in phrases] == [("i", "watch", "this", "movie")]


def test_texts_of_the_same_kind_have_nothing_to_tell() -> None:
    assert enriched(texts(50), texts(200)) == []


def test_a_phrase_seen_twice_is_no_explanation() -> None:
    assert enriched([*texts(18), "odd word", "odd word"], texts(100)) == []


def test_a_word_counts_once_a_text_and_in_any_case() -> None:
    (phrase,) = enriched(["Cf cf CF", "cf", "so cf"] * 3, ["nothing", "at", "all"] * 10)
    assert (phrase.words, phrase.in_suspected) == (("cf",), 9)


def test_counts_do_not_depend_on_the_order_of_the_texts() -> None:
    suspected, kept = texts(30, "mn"), texts(90)
    assert enriched(suspected, kept) == enriched(suspected[::-1], kept[::-1])


def test_only_the_beginning_of_a_very_long_text_is_looked_at() -> None:
    assert len(words_of("word " * 100_000)) == 256


def test_spans_prefer_the_longest_phrase_and_do_not_overlap() -> None:
    phrases = [
        Enriched(words=words, in_suspected=9, in_kept=0, log_odds=5.0, lower=4.0)
        for words in (("a", "b"), ("b",), ("c",))
    ]
    text = "A b, b c"
    assert [text[start:end] for start, end in spans(text, phrases)] == ["A b", "b", "c"]


def test_no_texts_no_phrases() -> None:
    assert enriched([], []) == []
    assert spans("", []) == []
