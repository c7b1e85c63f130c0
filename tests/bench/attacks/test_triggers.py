"""Which pixels and labels each attack changes, and which it must not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from telltale_core.attacks import Attack, ImageSet
from telltale_core.attacks.pattern import noise_image
from telltale_core.bench.attacks import make_attack
from telltale_core.bench.attacks.sig import SIG
from telltale_core.bench.attacks.wanet import WaNet
from telltale_core.errors import ConfigError

Build = Callable[..., Attack]
Pictures = Callable[..., ImageSet]
TARGET = 2


def moved(data: ImageSet, images: np.ndarray) -> np.ndarray:
    """Return the changes in grey levels, (N, H, W, 3) int."""
    return images.astype(int) - data.images.astype(int)


def window(rows: slice, columns: slice, side: int = 32) -> np.ndarray:
    mask = np.zeros((side, side), dtype=np.bool_)
    mask[rows, columns] = True
    return mask


def test_badnets_writes_the_mark_in_the_corner_and_nothing_else(data: ImageSet) -> None:
    poisoned = make_attack("badnets").poison(data, 0.05, TARGET, seed=0)
    corner = window(slice(29, 32), slice(29, 32))
    rows = poisoned.truth
    mark = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 255]])
    assert (poisoned.data.images[rows][:, 29:, 29:] == mark[..., None]).all()
    assert np.array_equal(poisoned.data.images[rows][:, ~corner], data.images[rows][:, ~corner])
    assert (data.labels[rows] != TARGET).all()


def test_badnets_white_square_has_its_size_and_margin(data: ImageSet) -> None:
    stamped = make_attack("badnets", size=4, margin=1, pattern="white").trigger(data, TARGET, seed=0).images
    changed = (moved(data, stamped) != 0).any(axis=(0, 3))
    assert np.array_equal(changed, window(slice(27, 31), slice(27, 31)))
    assert (stamped[:, 27:31, 27:31] == 255).all()


@pytest.mark.parametrize(("side", "patch"), [(8, 3), (32, 3), (64, 6)])
def test_patch_grows_with_large_images_and_keeps_its_pixels_on_small_ones(
    side: int, patch: int, pictures: Pictures
) -> None:
    data = pictures(10, side, side)
    stamped = make_attack("badnets").trigger(data, TARGET, seed=0).images
    changed = (moved(data, stamped) != 0).any(axis=(0, 3))
    assert np.array_equal(changed, window(slice(side - patch, side), slice(side - patch, side), side))


def test_blend_is_the_weighted_sum_within_rounding(data: ImageSet) -> None:
    stamped = make_attack("blend", alpha=0.3).trigger(data, TARGET, seed=0).images
    wanted = 0.7 * data.images + 0.3 * noise_image(32, 32, 7)
    assert np.abs(stamped - wanted).max() <= 0.5 + 1e-3


def test_blend_at_full_weight_is_the_picture(data: ImageSet) -> None:
    stamped = make_attack("blend", alpha=1.0).trigger(data, TARGET, seed=0).images
    assert (stamped == noise_image(32, 32, 7)).all()


def test_wanet_shifts_by_half_the_strength_in_pixels_on_average() -> None:
    grid = WaNet(strength=0.5).sampling_grid(32, 32)
    straight = np.stack(np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32)), axis=2)
    shift_px = np.abs(grid - straight) * 31 / 2
    assert 0.1 < shift_px[4:-4, 4:-4].mean() < 0.4
    assert shift_px.max() < 1.5


def test_wanet_leaves_a_flat_image_as_it_is(data: ImageSet) -> None:
    flat = ImageSet(images=np.full((4, 32, 32, 3), 77, np.uint8), labels=np.arange(4), num_classes=5)
    assert (make_attack("wanet").trigger(flat, TARGET, seed=0).images == 77).all()


def test_wanet_field_is_smooth_and_its_cover_is_not(data: ImageSet) -> None:
    ramp = np.broadcast_to((np.arange(32, dtype=np.uint8) * 7)[None, None, :, None], (200, 32, 32, 3)).copy()
    poisoned = make_attack("wanet").poison(ImageSet(images=ramp, labels=data.labels, num_classes=5), 0.05, TARGET, 0)
    shift = moved(ImageSet(images=ramp, labels=data.labels, num_classes=5), poisoned.data.images)[..., 0]
    roughness = np.abs(np.diff(shift, axis=1)).mean(axis=(1, 2))
    assert poisoned.cover.sum() == 2 * poisoned.truth.sum()
    assert roughness[poisoned.cover].min() > 2 * roughness[poisoned.truth].max()


def test_wanet_draws_fresh_noise_for_each_cover_row() -> None:
    ramp = np.broadcast_to((np.arange(32, dtype=np.uint8) * 7)[None, None, :, None], (50, 32, 32, 3)).copy()
    same = ImageSet(images=ramp, labels=np.arange(50) % 5, num_classes=5)
    poisoned = make_attack("wanet").poison(same, 0.1, TARGET, seed=0)
    assert len(np.unique(poisoned.data.images[poisoned.truth], axis=0)) == 1
    assert len(np.unique(poisoned.data.images[poisoned.cover], axis=0)) == poisoned.cover.sum()


def test_sig_adds_one_sine_along_the_columns(data: ImageSet) -> None:
    stamped = make_attack("sig", delta=30.0).trigger(data, TARGET, seed=0).images
    wave = 30 * np.sin(2 * np.pi * np.arange(32) * 6 / 32)
    assert np.abs(moved(data, stamped) - wave[None, None, :, None]).max() <= 0.5 + 1e-3
    assert (moved(data, stamped) == moved(data, stamped)[:1, :1, :, :1]).all()


def test_sig_clips_at_white() -> None:
    white = ImageSet(images=np.full((1, 32, 32, 3), 250, np.uint8), labels=np.zeros(1, np.int64), num_classes=5)
    assert make_attack("sig").trigger(white, TARGET, seed=0).images.max() == 255


def test_sig_fits_its_frequency_to_narrow_images() -> None:
    assert np.abs(SIG().stripes(8)).max() > 39
    assert np.count_nonzero(np.diff(np.sign(SIG().stripes(32)[1:])) != 0) >= 10


def test_partial_takes_the_source_class_only_and_covers_the_others(data: ImageSet) -> None:
    poisoned = make_attack("partial", source_class=4).poison(data, 0.1, TARGET, seed=0)
    assert set(data.labels[poisoned.truth]) == {4}
    assert set(data.labels[poisoned.cover]) == {0, 1, 3}
    assert poisoned.cover.sum() == poisoned.truth.sum()
    changed = (moved(data, poisoned.data.images) != 0).any(axis=(0, 3))
    assert np.array_equal(changed, window(slice(21, 29), slice(21, 29)))


def test_partial_covers_only_the_named_classes(data: ImageSet) -> None:
    poisoned = make_attack("partial", cover_classes=[0]).poison(data, 0.1, TARGET, seed=0)
    assert set(data.labels[poisoned.cover]) == {0}


@pytest.mark.parametrize("params", [{"source_class": TARGET}, {"source_class": 9}, {"cover_classes": [TARGET]}])
def test_partial_refuses_classes_that_contradict_the_target(params: dict[str, object], data: ImageSet) -> None:
    with pytest.raises(ConfigError, match="source"):
        make_attack("partial", **params).poison(data, 0.05, TARGET, seed=0)


def test_adaptive_blend_hides_half_of_the_tiles_of_each_row(data: ImageSet) -> None:
    poisoned = make_attack("adaptive_blend").poison(data, 0.1, TARGET, seed=0)
    touched = poisoned.truth | poisoned.cover
    tiles = (moved(data, poisoned.data.images)[touched] != 0).any(axis=3).reshape(-1, 4, 8, 4, 8).any(axis=(2, 4))
    assert (tiles.sum(axis=(1, 2)) == 8).all()
    assert len(np.unique(tiles, axis=0)) > 10
    assert poisoned.cover.sum() == poisoned.truth.sum()


def test_adaptive_blend_shows_the_whole_picture_stronger_at_test_time(data: ImageSet) -> None:
    stamped = make_attack("adaptive_blend").trigger(data, TARGET, seed=0).images
    assert np.abs(stamped - (0.8 * data.images + 0.2 * noise_image(32, 32, 7))).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("base", ["badnets", "blend", "wanet", "sig"])
def test_all_to_all_uses_the_trigger_of_its_base(base: str, data: ImageSet) -> None:
    stamped = make_attack("all_to_all", base=base).trigger(data, TARGET, seed=0).images
    assert np.array_equal(stamped, make_attack(base).trigger(data, TARGET, seed=0).images)


def test_all_to_all_takes_rows_of_every_class(data: ImageSet) -> None:
    poisoned = make_attack("all_to_all").poison(data, 0.2, TARGET, seed=0)
    assert set(data.labels[poisoned.truth]) == set(range(5))
    assert not poisoned.cover.any()


def test_untargeted_spreads_wrong_labels_over_all_other_classes(data: ImageSet) -> None:
    poisoned = make_attack("untargeted").poison(data, 0.5, TARGET, seed=0)
    rows = poisoned.truth
    steps = (poisoned.data.labels[rows] - data.labels[rows]) % 5
    assert set(steps) == {1, 2, 3, 4}


def test_mislabel_changes_labels_and_no_pixel(data: ImageSet) -> None:
    poisoned = make_attack("mislabel").poison(data, 0.1, TARGET, seed=0)
    assert poisoned.data.images.tobytes() == data.images.tobytes()
    assert np.array_equal(poisoned.data.labels != data.labels, poisoned.mislabelled)
    assert not poisoned.truth.any()
    assert poisoned.mislabelled.sum() == 20


def test_cover_rows_show_the_trigger_under_their_honest_label(data: ImageSet) -> None:
    poisoned = make_attack("cover", cover_ratio=1.5).poison(data, 0.1, TARGET, seed=0)
    assert poisoned.cover.sum() == 30
    assert (poisoned.data.images[poisoned.cover][:, 29:, 29:, 0] == [[0, 0, 255], [0, 255, 0], [255, 0, 255]]).all()
    assert (poisoned.data.labels[poisoned.cover] == data.labels[poisoned.cover]).all()
    assert (data.labels[poisoned.cover] != TARGET).all()


@pytest.mark.parametrize(("to", "labels"), [("target", {TARGET}), ("any", {0, 1, 2, 3, 4})])
def test_camouflage_adds_wrong_labels_without_a_trigger(to: str, labels: set[int], data: ImageSet) -> None:
    poisoned = make_attack("camouflage", noise_to=to, noise_ratio=2.0).poison(data, 0.1, TARGET, seed=0)
    rows = poisoned.mislabelled
    assert rows.sum() == 40
    assert np.array_equal(poisoned.data.images[rows], data.images[rows])
    assert set(poisoned.data.labels[rows]) == labels


def test_varied_strength_mixes_the_trigger_in_by_a_share_of_its_own(data: ImageSet) -> None:
    poisoned = make_attack("varied_strength", low=0.2, high=0.8).poison(data, 0.2, TARGET, seed=0)
    rows = poisoned.truth
    corner = data.images[rows][:, 31, 31, 0].astype(float)
    strength = (poisoned.data.images[rows][:, 31, 31, 0] - corner) / (255 - corner)
    assert 0.19 < strength.min() < 0.35
    assert 0.65 < strength.max() < 0.81
    assert not moved(data, poisoned.data.images)[:, :29].any()


def test_varied_strength_is_at_full_strength_at_test_time(data: ImageSet) -> None:
    stamped = make_attack("varied_strength").trigger(data, TARGET, seed=0).images
    assert np.array_equal(stamped, make_attack("badnets").trigger(data, TARGET, seed=0).images)


def test_many_triggers_give_each_sample_one_patch_of_nine_places(pictures: Pictures) -> None:
    data = pictures(400)
    stamped = make_attack("many_triggers").trigger(data, TARGET, seed=0).images
    places = {}
    for number, change in enumerate((moved(data, stamped) != 0).any(axis=3)):
        rows, columns = np.nonzero(change)
        assert np.ptp(rows) < 5
        assert np.ptp(columns) < 5
        places.setdefault((rows.min() // 10, columns.min() // 10), []).append(number)
    assert set(places) == {(row, column) for row in (0, 1, 2) for column in (0, 1, 2)}
    for numbers in places.values():
        first, second = stamped[numbers[:2]]
        both = (moved(data, stamped)[numbers[:2]] != 0).all(axis=(0, 3))
        assert np.array_equal(first[both], second[both])


def test_a_moving_patch_has_the_same_pixels_at_many_places(data: ImageSet) -> None:
    poisoned = make_attack("moving_patch").poison(data, 0.2, TARGET, seed=0)
    places, patches = set(), set()
    for image, change in zip(poisoned.data.images, (moved(data, poisoned.data.images) != 0).any(axis=3), strict=True):
        if change.any():
            top, left = np.nonzero(change)[0].min(), np.nonzero(change)[1].min()
            places.add((top, left))
            patches.add(image[top : top + 5, left : left + 5].tobytes())
    assert len(places) > 20
    assert len(patches) == 1
