import numpy as np
import pytest

from telltale_core.errors import Misaligned, NothingLearnt
from telltale_core.losslog import LossLog, check_alignment


def drifting(samples, snapshots, seed=0):
    random = np.random.default_rng(seed)
    level = random.normal(size=(samples, 1))
    return level - np.linspace(0, 6, snapshots) + random.normal(size=(samples, snapshots))


def shuffled(losses, seed=1):
    return np.random.default_rng(seed).permuted(losses, axis=0)


def test_a_log_that_follows_its_ids_passes():
    alignment = LossLog.from_array(drifting(1000, 20)).check_alignment()
    assert alignment.decided
    assert 0.4 < alignment.lowest < 0.6
    assert alignment.correlation.shape == (19,)


@pytest.mark.parametrize("seed", range(20))
def test_rows_logged_in_shuffled_order_are_found_out(seed):
    with pytest.raises(Misaligned, match="do not follow their sample ids"):
        LossLog.from_array(shuffled(drifting(1000, 20, seed), seed)).check_alignment()


def test_a_misaligned_stretch_of_a_long_log_is_found_out():
    losses = drifting(1000, 60)
    losses[:, 30:40] = shuffled(losses[:, 30:40])
    with pytest.raises(Misaligned, match=r"from snapshot (29|3\d)"):
        LossLog.from_array(losses).check_alignment()


def at_chance(samples, snapshots, seed=0):
    """Log losses of ten classes whose logits are noise, another at each snapshot."""
    logits = np.random.default_rng(seed).normal(scale=0.05, size=(samples, snapshots, 10))
    return np.log(np.log(np.exp(logits).sum(axis=2)) - logits[:, :, 0])


GUESS = np.log(10)


@pytest.mark.parametrize(("samples", "errors"), [(200, False), (1000, False), (1000, True)])
def test_a_proxy_that_learnt_nothing_is_said_to_and_its_log_is_not_accused(samples, errors):
    log = LossLog.from_array(at_chance(samples, 60))
    with pytest.raises(NothingLearnt, match=r"the proxy learnt nothing: its mean loss was 2\.\d* at best.*proxy\.lr"):
        log.check_alignment(errors=errors, guess=GUESS)
    with pytest.raises(Misaligned):  # what was said of it where nobody knew the loss of guessing
        log.check_alignment(errors=errors)


def test_a_sound_log_whose_proxy_began_to_learn_late_is_not_accused():
    losses = np.concatenate([at_chance(1000, 20), drifting(1000, 20) - 2], axis=1)
    assert LossLog.from_array(losses).check_alignment(guess=GUESS).lowest > 0.4


def test_shuffled_rows_of_a_proxy_that_learnt_are_told_from_one_that_did_not():
    learnt = drifting(1000, 40) - 2
    late = np.concatenate([at_chance(1000, 10), learnt], axis=1)
    for losses in (learnt, late):
        with pytest.raises(Misaligned, match="do not follow"):
            LossLog.from_array(shuffled(losses)).check_alignment(guess=GUESS)


def test_one_abrupt_step_of_the_weights_does_not_condemn_a_log():
    losses = drifting(1000, 40)
    losses[:, 20] = shuffled(losses[:, 20:21])[:, 0]
    assert LossLog.from_array(losses).check_alignment().decided


def test_small_sound_logs_are_never_condemned():
    random = np.random.default_rng(0)
    for seed in range(150):
        samples, snapshots = int(random.integers(1, 60)), int(random.integers(1, 40))
        LossLog.from_array(drifting(samples, snapshots, seed)).check_alignment()


@pytest.mark.parametrize("losses", [np.zeros((500, 12)), drifting(500, 1), drifting(1, 30), np.full((50, 9), np.nan)])
def test_where_nothing_can_be_told_nothing_is_claimed(losses):
    alignment = LossLog.from_array(losses).check_alignment()
    assert not alignment.decided
    assert np.isnan(alignment.lowest)


@pytest.mark.parametrize("errors", [True, False])
def test_errors_of_a_regression_may_drift_against_each_other_but_shuffled_rows_are_still_told(errors):
    random = np.random.default_rng(4)
    error_N, drift_T = random.normal(size=800), np.tile([2.0, -2.0], 20)
    log_NT = np.log((error_N[:, None] + drift_T + 0.1 * random.normal(size=(800, 40))) ** 2).astype(np.float32)
    assert check_alignment(log_NT, errors=errors).lowest > 0.5
    shuffled = np.stack([random.permutation(column) for column in log_NT.T], axis=1)
    with pytest.raises(Misaligned):
        check_alignment(shuffled, errors=errors)


def test_a_proxy_that_first_takes_all_for_one_label_and_then_for_another_is_no_misaligned_log():
    """What was hard becomes easy: correlations of -0.6 between the first snapshots of a sound log of recordings."""
    losses = drifting(1000, 20)
    label_N = np.arange(1000) % 2
    losses[:, 0] += 4.0 * label_N
    losses[:, 1] -= 4.0 * label_N
    losses[:, 2] += 4.0 * label_N
    alignment = LossLog.from_array(losses).check_alignment()
    assert alignment.correlation[:2].max() < -0.3
    assert alignment.correlation[:5].mean() < 0.1
    assert alignment.lowest > 0.2
