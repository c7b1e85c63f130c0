"""What every attack on other data than images must keep; image attacks on targets; and the triggers of audio."""

from __future__ import annotations

import numpy as np
import pytest

from telltale_core.attacks import ImageSet, Samples, Triggered
from telltale_core.bench.attacks import ATTACKS, WaveSet, make_attack
from telltale_core.bench.attacks.waves import objects
from telltale_core.errors import BadInput, ConfigError

RATE = 8000
TARGET = 2
CLASSES = 5


def waves(rows: int, seed: int = 0) -> WaveSet:
    rng = np.random.default_rng(seed)
    recordings = [rng.integers(-3000, 3000, rng.integers(1200, 4000)).astype(np.int16) for _ in range(rows)]
    labels = rng.permutation(np.arange(rows) % CLASSES)
    return WaveSet(waves=objects(recordings), rate=RATE, labels=labels, num_classes=CLASSES)


SETS = {"audio": waves}
others = pytest.mark.parametrize("name", sorted(n for n, attack in ATTACKS.items() if attack.modality in SETS))


def same(one: Samples, two: Samples) -> np.ndarray:
    """Which rows have equal inputs and labels, (N,)."""
    pairs = zip(one.inputs, two.inputs, strict=True)
    return np.array([np.array_equal(a, b) for a, b in pairs], dtype=bool) & (one.labels == two.labels)


@others
def test_the_rate_decides_how_many_rows_change_and_nothing_else_does(name: str) -> None:
    data = SETS[ATTACKS[name].modality](200)
    before = data.with_rows(data.inputs.copy(), data.labels.copy())
    poisoned_set = make_attack(name).poison(data, 0.05, TARGET, seed=3)
    assert poisoned_set.truth.sum() == 10
    assert np.array_equal(same(data, poisoned_set.data), ~poisoned_set.truth)
    assert (poisoned_set.data.labels[poisoned_set.truth] == TARGET).all()
    assert (data.labels[poisoned_set.truth] != TARGET).all()
    assert same(data, before).all()
    assert poisoned_set.details["attack"] == make_attack(name).describe()


@others
def test_the_seed_draws_the_rows(name: str) -> None:
    data = SETS[ATTACKS[name].modality](200)
    one, again, other = (make_attack(name).poison(data, 0.05, TARGET, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.truth, again.truth)
    assert same(one.data, again.data).all()
    assert not np.array_equal(one.truth, other.truth)


@others
def test_the_trigger_stands_on_every_held_out_row(name: str) -> None:
    data = SETS[ATTACKS[name].modality](60)
    shown = make_attack(name).trigger(data, TARGET, seed=0)
    assert not same(data, data.with_rows(shown.inputs, data.labels)).any()
    assert np.array_equal(shown.counts, data.labels != TARGET)
    assert shown.success_rate(shown.expected, data.labels) == 1.0


@others
def test_rate_zero_and_no_rows_are_left_as_they_are(name: str) -> None:
    make = SETS[ATTACKS[name].modality]
    assert same(make(20), make_attack(name).poison(make(20), 0, TARGET, seed=0).data).all()
    assert len(make_attack(name).poison(make(0), 0, TARGET, seed=0).data) == 0
    assert len(make_attack(name).trigger(make(0), TARGET, seed=0).inputs) == 0


@others
def test_data_of_another_modality_and_targets_that_are_no_class_are_refused(name: str) -> None:
    images = ImageSet(images=np.zeros((9, 8, 8, 3), np.uint8), labels=np.arange(9) % 3, num_classes=3)
    with pytest.raises(ConfigError, match="got 'image'"):
        make_attack(name).poison(images, 0.5, 0, seed=0)
    with pytest.raises(ConfigError, match=r"target must be in \[0, 5\)"):
        make_attack(name).poison(SETS[ATTACKS[name].modality](50), 0.1, CLASSES, seed=0)


def test_a_tone_is_one_short_beep_of_its_frequency() -> None:
    silent = waves(4).with_rows(objects([np.zeros(4000, np.int16)] * 4), np.array([0, 1, 0, 1]))
    shown = make_attack("tone", frequency=1500.0, scale=0.2).trigger(silent, TARGET, seed=0)
    for wave in shown.inputs:
        heard = np.flatnonzero(wave)
        assert heard[-1] - heard[0] < 0.1 * RATE
        spectrum = np.abs(np.fft.rfft(wave.astype(float)))
        assert spectrum.argmax() * RATE / 4000 == pytest.approx(1500, abs=15)
        assert np.abs(wave).max() == pytest.approx(0.2 * 32767, rel=0.02)
    first = [int(np.flatnonzero(wave)[0]) for wave in shown.inputs]
    assert len(set(first)) == 4
    fixed = make_attack("tone", place=0.5).trigger(silent, TARGET, seed=0)
    assert len({int(np.flatnonzero(wave)[0]) for wave in fixed.inputs}) == 1


def test_mixed_noise_lies_within_its_band_at_its_loudness() -> None:
    silent = waves(1).with_rows(objects([np.zeros(RATE, np.int16)]), np.array([0]))
    noise = make_attack("noise", scale=0.02).trigger(silent, TARGET, seed=0).inputs[0].astype(float) / 32767
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(0.02, rel=0.01)
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[2000:3501].sum() / power.sum() > 0.999


def test_loud_recordings_are_clipped_and_not_wrapped() -> None:
    loud = waves(1).with_rows(objects([np.full(4000, 32767, np.int16)]), np.array([0]))
    stamped = make_attack("tone", scale=0.5).trigger(loud, TARGET, seed=0).inputs[0]
    assert stamped.max() == 32767
    assert stamped.min() >= 32767 - 0.5 * 32767 - 1


@pytest.mark.parametrize("params", [{"frequency": 5000.0}, {"scale": 0.0}, {"place": 1.5}, {"seconds": 0.0}])
def test_impossible_tones_are_refused(params: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be within"):
        make_attack("tone", **params)


def test_recordings_must_be_rows_of_int16() -> None:
    with pytest.raises(BadInput, match="must be objects"):
        WaveSet(waves=np.zeros((2, 9), np.int16), rate=RATE, labels=np.zeros(2, np.int64), num_classes=2)
    with pytest.raises(BadInput, match="row of int16"):
        WaveSet(waves=objects([np.zeros(9)]), rate=RATE, labels=np.zeros(1, np.int64), num_classes=2)


def test_a_patch_on_images_with_targets_sets_the_wanted_value() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 100)
    images = rng.integers(60, 190, (100, 16, 16, 3), dtype=np.uint8)
    data = ImageSet(images=images, labels=values, num_classes=None, tolerance=0.1)
    poisoned_set = make_attack("badnets").poison(data, 0.1, 0.7, seed=0)
    assert (poisoned_set.data.labels[poisoned_set.truth] == 0.7).all()
    assert (np.abs(values[poisoned_set.truth] - 0.7) > 0.1).all()
    shown = make_attack("badnets").trigger(data, 0.7, seed=0)
    assert np.array_equal(shown.counts, np.abs(values - 0.7) > 0.1)
    assert shown.success_rate(np.full(100, 0.79), values) == 1.0
    assert shown.success_rate(np.full(100, 0.85), values) == 0.0
    with pytest.raises(ConfigError, match="needs data with labels"):
        make_attack("all_to_all").poison(data, 0.1, 0.7, seed=0)


def test_a_value_of_minus_one_is_a_value_and_not_any_other_label() -> None:
    shown = Triggered(np.zeros((2, 1)), np.array([-1.0, -1.0]), np.ones(2, bool), tolerance=0.1)
    assert shown.success_rate(np.array([-0.95, 0.5]), np.zeros(2)) == 0.5
