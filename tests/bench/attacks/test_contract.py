"""What every attack must keep, whatever its trigger."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from telltale_core.attacks import ANY_OTHER_LABEL, Attack, ImageSet, Triggered
from telltale_core.bench.attacks import ATTACKS, make_attack
from telltale_core.errors import BadInput, ConfigError

Build = Callable[..., Attack]
Pictures = Callable[..., ImageSet]
CLASSES = 5
TARGET = 2
RATE = 0.06

ON_IMAGES = {name for name, attack in ATTACKS.items() if attack.modality == "image"}  # others: test_modalities.py
every_attack = pytest.mark.parametrize("name", sorted(ON_IMAGES))
with_trigger = pytest.mark.parametrize("name", sorted(ON_IMAGES - {"mislabel"}))
# Of several triggers or places, the seed draws which one a row gets; test_triggers.py looks at them.
DRAWN = {"many_triggers", "moving_patch"}
with_one_trigger = pytest.mark.parametrize("name", sorted(ON_IMAGES - {"mislabel"} - DRAWN))


@every_attack
def test_same_seed_gives_the_same_bytes(name: str, build: Build, data: ImageSet) -> None:
    one, two = (build(name).poison(data, RATE, TARGET, seed=3) for _ in range(2))
    assert one.data.images.tobytes() == two.data.images.tobytes()
    assert one.data.labels.tobytes() == two.data.labels.tobytes()
    assert np.array_equal(one.truth, two.truth)


@every_attack
def test_another_seed_takes_other_rows(name: str, build: Build, data: ImageSet) -> None:
    one, two = (build(name).poison(data, RATE, TARGET, seed=seed) for seed in (3, 4))
    assert not np.array_equal(one.truth | one.mislabelled, two.truth | two.mislabelled)


@every_attack
@pytest.mark.parametrize("rate", [0.01, 0.06, 0.1])
def test_number_of_poisoned_rows_is_the_rate_of_the_whole_set(
    name: str, rate: float, build: Build, pictures: Pictures
) -> None:
    data = pictures(333)
    poisoned = build(name).poison(data, rate, TARGET, seed=0)
    rows = poisoned.mislabelled if name == "mislabel" else poisoned.truth
    assert rows.sum() == round(rate * 333)


@every_attack
def test_rows_in_no_mask_are_byte_identical(name: str, build: Build, data: ImageSet) -> None:
    poisoned = build(name).poison(data, RATE, TARGET, seed=0)
    rest = ~(poisoned.truth | poisoned.cover | poisoned.mislabelled)
    assert poisoned.data.images[rest].tobytes() == data.images[rest].tobytes()
    assert np.array_equal(poisoned.data.labels[rest], data.labels[rest])


@every_attack
def test_masks_are_disjoint(name: str, build: Build, data: ImageSet) -> None:
    poisoned = build(name).poison(data, RATE, TARGET, seed=0)
    masks = (poisoned.truth, poisoned.cover, poisoned.mislabelled)
    assert (np.sum(masks, axis=0) <= 1).all()
    assert all(mask.dtype == np.bool_ and mask.shape == (len(data),) for mask in masks)


@every_attack
def test_input_is_not_modified(name: str, build: Build, data: ImageSet) -> None:
    before = data.images.tobytes(), data.labels.tobytes()
    attack = build(name)
    poisoned = attack.poison(data, RATE, TARGET, seed=0)
    attack.trigger(data, TARGET, seed=0)
    assert (data.images.tobytes(), data.labels.tobytes()) == before
    assert not np.shares_memory(poisoned.data.images, data.images)


@every_attack
def test_shapes_and_dtypes_are_kept(name: str, build: Build, data: ImageSet) -> None:
    attack = build(name)
    poisoned = attack.poison(data, RATE, TARGET, seed=0).data
    triggered = attack.trigger(data, TARGET, seed=0)
    assert poisoned.num_classes == data.num_classes
    for images, labels in ((poisoned.images, poisoned.labels), (triggered.images, triggered.expected)):
        assert (images.dtype, images.shape) == (data.images.dtype, data.images.shape)
        assert (labels.dtype, labels.shape) == (data.labels.dtype, data.labels.shape)


@every_attack
def test_labels_change_only_by_the_label_rule(name: str, build: Build, data: ImageSet) -> None:
    attack = build(name)
    poisoned = attack.poison(data, RATE, TARGET, seed=0)
    before, after, rows = data.labels, poisoned.data.labels, poisoned.truth
    changed = before != after
    if attack.label_rule == "clean":
        assert not changed.any()
        assert (before[rows] == TARGET).all()
    elif attack.label_rule == "all-to-all":
        assert np.array_equal(after[rows], (before[rows] + 1) % CLASSES)
    elif attack.label_rule == "dirty":
        assert (after[rows] == TARGET).all()
    assert not changed[poisoned.cover].any()
    assert changed[poisoned.mislabelled].all()
    if attack.label_rule != "clean":
        assert np.array_equal(changed, rows | poisoned.mislabelled)


@with_trigger
def test_poisoned_and_cover_images_carry_a_trigger(name: str, build: Build, data: ImageSet) -> None:
    poisoned = build(name).poison(data, RATE, TARGET, seed=0)
    touched = (poisoned.data.images != data.images).any(axis=(1, 2, 3))
    assert np.array_equal(touched, poisoned.truth | poisoned.cover)


@every_attack
def test_trigger_expects_the_attackers_label(name: str, build: Build, data: ImageSet) -> None:
    attack = build(name)
    triggered = attack.trigger(data, TARGET, seed=0)
    if attack.label_rule == "all-to-all":
        assert np.array_equal(triggered.expected, (data.labels + 1) % CLASSES)
        assert triggered.counts.all()
    elif attack.label_rule == "untargeted":
        assert (triggered.expected == ANY_OTHER_LABEL).all()
        assert triggered.counts.all()
    elif name == "mislabel":
        assert not triggered.counts.any()
    elif name == "partial":
        assert np.array_equal(triggered.counts, data.labels == TARGET + 1)
        assert (triggered.expected == TARGET).all()
    else:
        assert (triggered.expected == TARGET).all()
        assert np.array_equal(triggered.counts, data.labels != TARGET)


@with_trigger
def test_trigger_changes_every_held_out_row(name: str, build: Build, data: ImageSet) -> None:
    triggered = build(name).trigger(data, TARGET, seed=0)
    assert (triggered.images != data.images).any(axis=(1, 2, 3)).all()


@with_one_trigger
def test_trigger_pattern_does_not_depend_on_the_call_seed(name: str, build: Build, data: ImageSet) -> None:
    one, two = (build(name).trigger(data, TARGET, seed=seed).images for seed in (0, 9))
    assert np.array_equal(one, two)


@with_trigger
@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (33, 47), (64, 64)])
def test_any_size_of_image_will_do(name: str, shape: tuple[int, int], build: Build, pictures: Pictures) -> None:
    data = pictures(60, *shape)
    attack = build(name)
    poisoned = attack.poison(data, 0.1, TARGET, seed=0)
    touched = (poisoned.data.images != data.images).any(axis=(1, 2, 3))
    assert np.array_equal(touched, poisoned.truth | poisoned.cover)
    assert attack.trigger(data, TARGET, seed=0).images.shape == data.images.shape


@every_attack
def test_rate_zero_leaves_the_data_clean(name: str, build: Build, data: ImageSet) -> None:
    poisoned = build(name).poison(data, 0, TARGET, seed=0)
    assert poisoned.data.images.tobytes() == data.images.tobytes()
    assert np.array_equal(poisoned.data.labels, data.labels)
    assert not (poisoned.truth | poisoned.cover | poisoned.mislabelled).any()


@every_attack
def test_an_empty_set_stays_empty(name: str, build: Build, pictures: Pictures) -> None:
    empty = pictures(0)
    attack = build(name)
    assert len(attack.poison(empty, 0, TARGET, seed=0).data) == 0
    assert attack.trigger(empty, TARGET, seed=0).images.shape == (0, 32, 32, 3)


@every_attack
def test_a_rate_that_comes_to_no_row_is_refused(name: str, build: Build, pictures: Pictures) -> None:
    with pytest.raises(ConfigError, match="is no row"):
        build(name).poison(pictures(20), 0.01, TARGET, seed=0)


@with_trigger
def test_too_few_rows_to_choose_from_is_refused(name: str, build: Build, data: ImageSet) -> None:
    rate = 1.0  # even all-to-all has a rate of 1 only with no cover
    if name in {"all_to_all", "untargeted"}:
        assert build(name).poison(data, rate, TARGET, seed=0).truth.all()
        return
    with pytest.raises(ConfigError, match="rows to choose from, the data has"):
        build(name).poison(data, rate, TARGET, seed=0)


@every_attack
@pytest.mark.parametrize("target", [-1, CLASSES])
def test_a_target_that_is_no_class_is_refused(name: str, target: int, build: Build, data: ImageSet) -> None:
    with pytest.raises(ConfigError, match=r"target must be in \[0, 5\)"):
        build(name).poison(data, RATE, target, seed=0)


@every_attack
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_zero_to_one_is_refused(name: str, rate: float, build: Build, data: ImageSet) -> None:
    with pytest.raises(ConfigError, match="rate must be within"):
        build(name).poison(data, rate, TARGET, seed=0)


@every_attack
def test_details_are_json_and_count_right(name: str, build: Build, data: ImageSet) -> None:
    poisoned = build(name).poison(data, RATE, TARGET, seed=5)
    details = json.loads(json.dumps(poisoned.details, allow_nan=False))
    assert details["poisoned"] == poisoned.truth.sum()
    assert details["cover"] == poisoned.cover.sum()
    assert (details["rate"], details["seed"], details["attack"]["name"]) == (RATE, 5, name)
    assert poisoned.attack == name


@every_attack
def test_registered_name_source_and_rule(name: str) -> None:
    cls = ATTACKS[name]
    assert cls.name == name
    assert len(cls.source) > 10
    assert cls.label_rule in {"dirty", "clean", "all-to-all", "untargeted", "none"}


def test_only_attacks_on_one_class_record_a_target(build: Build, data: ImageSet) -> None:
    targets = {name: build(name).poison(data, RATE, TARGET, seed=0).target for name in ON_IMAGES}
    assert {name for name, target in targets.items() if target is None} == {"all_to_all", "untargeted", "mislabel"}
    assert {target for target in targets.values() if target is not None} == {TARGET}


def test_an_unknown_attack_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known attacks: adaptive_blend"):
        make_attack("nonsense")


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known settings: margin"):
        make_attack("badnets", colour="red")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("badnets", {"size": 0}),
        ("badnets", {"pattern": "cat"}),
        ("badnets", {"size": "3"}),
        ("blend", {"alpha": float("nan")}),
        ("wanet", {"grid": 1}),
        ("sig", {"delta": -3.0}),
        ("partial", {"cover_ratio": -1.0}),
        ("adaptive_blend", {"hidden": 1.0}),
        ("varied_strength", {"low": 0.9, "high": 0.5}),
        ("camouflage", {"noise_to": "nowhere"}),
    ],
)
def test_a_parameter_out_of_range_is_refused(name: str, params: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        make_attack(name, **params)


@pytest.mark.parametrize("name", ["issba", "narcissus"])
def test_an_attack_that_needs_a_model_or_array_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} needs"):
        make_attack(name)


def test_nested_attacks_are_made_from_names_and_tables() -> None:
    base = make_attack("all_to_all", base={"name": "blend", "alpha": 0.1}).describe()["base"]
    assert (base["name"], base["alpha"]) == ("blend", 0.1)
    assert make_attack("cover", base="wanet").describe()["base"]["name"] == "wanet"


def test_described_parameters_tell_two_attacks_apart(build: Build) -> None:
    assert build("blend").describe() == build("blend").describe()
    assert build("blend").describe() != build("blend", alpha=0.1).describe()
    assert build("narcissus").describe()["trigger_array"]["shape"] == [32, 32, 3]


def test_success_rate_is_over_counting_rows_only() -> None:
    triggered = Triggered(np.zeros((4, 8, 8, 3), np.uint8), np.full(4, 1), np.array([True, True, False, True]))
    assert triggered.success_rate(np.array([1, 0, 1, 1]), np.array([0, 0, 1, 2])) == pytest.approx(2 / 3)


def test_success_rate_of_any_other_label_is_the_error_rate() -> None:
    triggered = Triggered(np.zeros((4, 8, 8, 3), np.uint8), np.full(4, ANY_OTHER_LABEL), np.ones(4, np.bool_))
    assert triggered.success_rate(np.array([0, 1, 2, 0]), np.array([0, 1, 0, 1])) == 0.5


def test_success_rate_without_counting_rows_is_not_a_number() -> None:
    triggered = Triggered(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1, np.int64), np.zeros(1, np.bool_))
    assert np.isnan(triggered.success_rate(np.zeros(1, np.int64), np.zeros(1, np.int64)))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.int64)),
        (np.zeros((2, 8, 8), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int32)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.array([0, CLASSES])),
    ],
)
def test_a_malformed_image_set_is_refused(images: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(BadInput):
        ImageSet(images=images, labels=labels, num_classes=CLASSES)
