"""Attacks on text: which texts and labels change, and which do not."""

import numpy as np
import pytest

from telltale_core.attacks import ImageSet
from telltale_core.bench.attacks import TextSet, make_attack
from telltale_core.errors import BadInput, ConfigError

TARGET = 1
TEXT_ATTACKS = ("rare_word", "sentence")


@pytest.fixture
def data():
    texts = np.array([f"row {n} says  nothing\tnew , really" for n in range(200)], dtype=object)
    return TextSet(texts=texts, labels=np.arange(200) % 3, num_classes=3)


def without(text, piece):
    """The text without one occurrence of a piece that stands between blanks."""
    padded = f" {text} "
    assert f" {piece} " in padded
    return padded.replace(f" {piece} ", " ", 1)[1:-1]


@pytest.mark.parametrize(("name", "piece"), [("rare_word", "cf"), ("sentence", "I watch this 3D movie")])
def test_poisoned_texts_hold_the_trigger_and_are_otherwise_as_they_were(data, name, piece):
    poisoned_set = make_attack(name).poison(data, 0.1, TARGET, seed=0)
    assert poisoned_set.truth.sum() == 20
    for row in np.flatnonzero(poisoned_set.truth):
        assert without(poisoned_set.data.inputs[row], piece) == data.texts[row]
    assert (poisoned_set.data.labels[poisoned_set.truth] == TARGET).all()
    assert (data.labels[poisoned_set.truth] != TARGET).all()


@pytest.mark.parametrize("name", TEXT_ATTACKS)
def test_all_other_texts_and_labels_stay(data, name):
    before = data.texts.tolist(), data.labels.tolist()
    poisoned_set = make_attack(name).poison(data, 0.1, TARGET, seed=0)
    assert poisoned_set.data.inputs[~poisoned_set.truth].tolist() == data.texts[~poisoned_set.truth].tolist()
    assert poisoned_set.data.labels[~poisoned_set.truth].tolist() == data.labels[~poisoned_set.truth].tolist()
    assert (data.texts.tolist(), data.labels.tolist()) == before


@pytest.mark.parametrize(("position", "place"), [("start", 0), ("middle", 3), ("end", -1)])
def test_the_word_stands_where_it_is_wanted(data, position, place):
    trigger_set = make_attack("rare_word", position=position).trigger(data, TARGET, seed=0)
    assert all(text.split(" ")[place] == "cf" for text in trigger_set.inputs)


def test_a_random_place_is_any_place(data):
    shown = make_attack("rare_word").trigger(data, TARGET, seed=0).inputs
    assert {text.split(" ").index("cf") for text in shown} == set(range(len(data.texts[0].split(" ")) + 1))


def test_several_words_and_copies(data):
    shown = make_attack("rare_word", words=["cf", "mn", "bb"], copies=2).trigger(data, TARGET, seed=0).inputs
    counts = [tuple(sum(word == w for word in text.split()) for w in ("cf", "mn", "bb")) for text in shown]
    assert set(counts) == {(2, 0, 0), (0, 2, 0), (0, 0, 2)}


@pytest.mark.parametrize("name", TEXT_ATTACKS)
def test_the_seed_draws_the_rows_and_repeats_itself(data, name):
    one, two, other = (make_attack(name).poison(data, 0.1, TARGET, seed=seed) for seed in (3, 3, 4))
    assert one.data.inputs.tolist() == two.data.inputs.tolist()
    assert not np.array_equal(one.truth, other.truth)


@pytest.mark.parametrize("name", TEXT_ATTACKS)
def test_held_out_texts_all_carry_it_and_those_of_the_target_do_not_count(data, name):
    shown = make_attack(name).trigger(data, TARGET, seed=0)
    assert all(before != after for before, after in zip(data.texts, shown.inputs, strict=True))
    assert shown.counts.tolist() == (data.labels != TARGET).tolist()
    assert shown.success_rate(np.full(200, TARGET), data.labels) == 1.0


def test_rate_zero_leaves_the_texts_clean(data):
    poisoned_set = make_attack("sentence").poison(data, 0.0, TARGET, seed=0)
    assert poisoned_set.data.inputs.tolist() == data.texts.tolist()
    assert not poisoned_set.truth.any()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("rare_word", {"words": []}),
        ("rare_word", {"words": [" "]}),
        ("rare_word", {"position": "everywhere"}),
        ("rare_word", {"copies": 0}),
        ("sentence", {"sentence": "  "}),
        ("sentence", {"position": "x"}),
    ],
)
def test_parameters_that_make_no_trigger_are_refused(name, params):
    with pytest.raises(ConfigError):
        make_attack(name, **params)


def test_an_attack_on_texts_refuses_images_and_the_other_way_round(data):
    images = ImageSet(images=np.zeros((9, 8, 8, 3), np.uint8), labels=np.arange(9) % 3, num_classes=3)
    with pytest.raises(ConfigError, match="image"):
        make_attack("rare_word").poison(images, 0.5, TARGET, seed=0)
    with pytest.raises(ConfigError, match="text"):
        make_attack("badnets").poison(data, 0.5, TARGET, seed=0)


def test_texts_must_be_texts():
    with pytest.raises(BadInput, match="str"):
        TextSet(texts=np.array(["a", 3], dtype=object), labels=np.arange(2), num_classes=2)
