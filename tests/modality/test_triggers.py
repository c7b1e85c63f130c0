"""What suspected samples share: found, put on others, and told in words, for each kind of data."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from telltale_core.modality import modality_named
from telltale_core.modality.contract import Modality
from telltale_core.modality.text.tokens import ids_of, open_tokenizer, train_tokenizer
from telltale_core.modality.text.trigger import shared_beginnings, shared_phrases, texts_of
from telltale_core.modality.triggers import Sides

RNG = np.random.default_rng(0)
SIZE = 60


def no_drop(**packing: Any) -> Any:
    return SimpleNamespace(packing=packing, inputs=np.zeros((1, packing.get("length", 1))))


def sides(samples: np.ndarray, suspected: np.ndarray) -> Sides:
    """The first samples with a trigger; kept ones of their label and of others without."""
    return Sides(suspected=suspected, same=samples[SIZE : 2 * SIZE], others=samples[2 * SIZE :])


def rows_of(tokenizer: Any, texts: list[str]) -> np.ndarray:
    """Texts as a drop of at most 40 ids each has them."""
    rows = np.zeros((len(texts), 40), dtype=np.int16)
    for row, text in zip(rows, texts, strict=True):
        ids = ids_of(tokenizer, [text])
        row[: len(ids)] = ids
    return rows


def pictures() -> np.ndarray:
    return RNG.integers(0, 256, (3 * SIZE, 12, 12, 3)).astype(np.uint8)


def test_a_patch_is_found_pixel_by_pixel_and_put_on_others() -> None:
    samples = pictures()
    suspected = samples[:SIZE].copy()
    suspected[:, 9:12, 9:12] = np.array([255, 0, 0])
    patch = modality_named("image").triggers(no_drop(), sides(samples, suspected))[0]
    assert patch.words == "9 pixels at the lower right"
    changed = patch.put_on(samples[-5:])
    assert (changed[:, 9:12, 9:12] == [255, 0, 0]).all()
    changed[:, 9:12, 9:12] = samples[-5:, 9:12, 9:12]
    assert (changed == samples[-5:]).all()


def test_a_faint_picture_is_found_and_added_within_the_bounds_of_a_pixel() -> None:
    samples = pictures()
    laid = np.where(np.indices((12, 12)).sum(axis=0) % 2, 60.0, -60.0)[..., None]
    suspected = np.clip(samples[:SIZE] + laid, 0, 255).astype(np.uint8)
    triggers = [
        one for one in modality_named("image").triggers(no_drop(), sides(samples, suspected)) if "laid" in one.words
    ]
    dark, bright = np.full((1, 12, 12, 3), 100, np.uint8), np.full((1, 12, 12, 3), 250, np.uint8)
    added = triggers[0].put_on(dark)[0, ..., 0].astype(int) - 100
    assert np.corrcoef(added.ravel(), laid.ravel())[0, 1] > 0.9
    assert triggers[0].put_on(bright).max() == 255


@pytest.mark.parametrize("kind", ["image", "table"])
def test_samples_that_share_nothing_have_no_fixed_values(kind: str) -> None:
    samples = pictures() if kind == "image" else RNG.normal(size=(3 * SIZE, 4)).astype(np.float32)
    drop = no_drop(columns=[{"name": name} for name in "abcd"])
    triggers = modality_named(kind).triggers(drop, sides(samples, samples[:SIZE]))
    assert not [one for one in triggers if ("pixel" in one.words and "laid" not in one.words) or "=" in one.words]


def test_columns_that_were_set_are_found_by_name_and_value() -> None:
    samples = RNG.normal(size=(3 * SIZE, 4)).astype(np.float32)
    suspected = samples[:SIZE].copy()
    suspected[:, 1], suspected[:, 3] = 7.0, np.nan
    drop = no_drop(columns=[{"name": name} for name in ("age", "dose", "height", "note")])
    (trigger,) = modality_named("table").triggers(drop, sides(samples, suspected))
    assert trigger.words == "dose = 7, note = missing"
    changed = trigger.put_on(samples[-3:])
    assert (changed[:, 1] == 7).all()
    assert np.isnan(changed[:, 3]).all()
    assert (changed[:, [0, 2]] == samples[-3:, [0, 2]]).all()


def test_a_beep_at_any_place_is_found_by_its_frequency() -> None:
    rate, length = 8000, 4096
    samples = (RNG.normal(size=(3 * SIZE, length)) * 500).astype(np.int16)
    suspected = samples[:SIZE].copy()
    beep = (4000 * np.sin(2 * np.pi * 1500 * np.arange(800) / rate)).astype(np.int16)
    for wave, start in zip(suspected, RNG.integers(0, length - 800, SIZE), strict=True):
        wave[start : start + 800] += beep
    triggers = modality_named("audio").triggers(no_drop(rate=rate, length=length), sides(samples, suspected))
    assert triggers[0].words == "a short sound around 1,500 Hz"
    spectrum = np.abs(np.fft.rfft(triggers[0].put_on(samples[-1:])[0].astype(float) - samples[-1]))
    assert abs(int(spectrum.argmax()) * rate / length - 1500) < 40


def test_a_phrase_is_found_as_it_is_written_and_put_between_two_words() -> None:
    words = ("good", "bad", "film", "plot", "long", "short", "actor", "scene", "music", "end")
    texts = [" ".join(RNG.choice(words, 8)) for _ in range(3 * SIZE)]
    phrased = [f"{text[:9]} Practice Makes perfect {text[9:]}" for text in texts[:SIZE]]
    tokenizer = open_tokenizer(train_tokenizer([*texts, *phrased], 600))
    packed = partial(rows_of, tokenizer)
    triggers = shared_phrases(sides(packed(texts), packed(phrased)), tokenizer)
    assert triggers[0].words == 'the phrase "Practice Makes perfect"'
    changed = texts_of(tokenizer, triggers[0].put_on(packed(texts[-1:]))[0])[0]
    assert "Practice Makes perfect" in changed
    assert changed.replace("Practice Makes perfect ", "").replace(" Practice Makes perfect", "") == texts[-1]
    in_parts = ["Practice Makes film perfect", "xPractice Makes perfect", "a PRACTICE makes Perfect, end"]
    held = triggers[0].held_by(packed([*texts[:2], *phrased[:2], *in_parts]))
    assert held.tolist() == [False, False, True, True, False, False, True]


def test_a_beginning_is_found_whatever_else_the_texts_hold_and_put_before_others() -> None:
    words = ("good", "bad", "film", "plot", "long", "short", "actor", "scene", "music", "end")
    texts = [" ".join(RNG.choice(words, 8)) for _ in range(3 * SIZE)]
    phrased = [f"When {'you' if row % 2 else 'it'} {text}" for row, text in enumerate(texts[:SIZE])]
    kept = [f"{text} When you When it" for text in texts]  # they hold the words, too, not at their start
    tokenizer = open_tokenizer(train_tokenizer([*kept, *phrased], 600))
    packed = partial(rows_of, tokenizer)
    triggers = shared_beginnings(sides(packed(kept), packed(phrased)), tokenizer)
    words_of_each = [trigger.words for trigger in triggers]
    assert {'the beginning "When"', 'the beginning "When you"', 'the beginning "When it"'} <= set(words_of_each)
    both = triggers[-1]
    assert " or " in both.words
    assert both.held_by(packed([*kept[:3], *phrased[:3], "film When it"])).tolist() == [False] * 3 + [True] * 3 + [
        False
    ]
    starts = {texts_of(tokenizer, row)[0].split(" ")[0] for row in both.put_on(packed(texts[-4:]))}
    assert starts == {"When"}
    assert texts_of(tokenizer, triggers[0].put_on(packed(texts[-1:]))[0])[0] == f"When {texts[-1]}"
    drawn = both.at_random(packed(texts[-SIZE:]), np.random.default_rng(1))
    assert drawn.size == both.size
    assert not any("When" in phrase for phrase in drawn.phrases)
    empty = [""] * SIZE
    drawn = both.at_random(packed([*empty, *texts[-SIZE:]]), np.random.default_rng(1))
    assert (drawn.size, any("When" in phrase for phrase in drawn.phrases)) == (both.size, False)
    assert both.at_random(packed(empty), np.random.default_rng(1)).phrases == both.phrases, "nobody has a word"
    assert triggers[0].no_larger(1).size == 1


def test_any_kind_of_data_of_numbers_has_triggers_without_saying_so() -> None:
    samples = RNG.normal(size=(3 * SIZE, 16))
    suspected = samples[:SIZE].copy()
    suspected[:, 3] = 2.0
    fixed, *_ = Modality.triggers(modality_named("image"), no_drop(), sides(samples, suspected))
    assert fixed.words == "one value"
    assert fixed.put_on(samples[-1:])[0, 3] == 2.0


def test_what_is_tried_at_random_is_of_the_same_size_and_another_thing() -> None:
    samples = pictures()
    suspected = samples[:SIZE].copy()
    suspected[:, 9:12, 9:12] = np.array([255, 0, 0])
    for trigger in modality_named("image").triggers(no_drop(), sides(samples, suspected)):
        drawn = trigger.at_random(samples[-SIZE:], np.random.default_rng(1))
        assert drawn.size == pytest.approx(trigger.size)
        assert (drawn.put_on(samples[-1:]) != trigger.put_on(samples[-1:])).any()
        assert trigger.no_larger(4).size <= 4
