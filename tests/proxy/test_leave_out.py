"""The second proxy learns without the samples it is told to leave out, whatever the task."""

import numpy as np
import pytest

from telltale_core.proxy import ProxyConfig, can_retrain, leave_out_retraining

pytestmark = pytest.mark.trains


@pytest.fixture
def eager(config):
    """Enough epochs to learn the tiny drop, of which the second proxy gets half."""
    return config.replace(epochs=24, width=8, lr=0.05)


def test_what_is_left_out_is_not_learnt_from(drop, eager):
    number = drop.labels.copy()
    left_out = np.zeros(len(number), dtype=bool)
    left_out[:40] = True
    first = leave_out_retraining(drop, number, eager)(left_out)
    number[:40] = (number[:40] + 1) % 4  # the answers of what is left out do not matter
    second = leave_out_retraining(drop, number, eager)(left_out)
    np.testing.assert_array_equal(first, second)
    number[40:] = (number[40:] + 2) % 4  # those of the others do
    assert (leave_out_retraining(drop, number, eager)(left_out) != first).mean() > 0.8


def test_honest_samples_are_told_by_the_rest(drop, eager):
    left_out = np.arange(len(drop.labels)) % 5 == 0
    answer = leave_out_retraining(drop, drop.labels, eager)(left_out)
    assert answer.dtype == np.int64
    assert (answer == drop.labels)[left_out].mean() > 0.8


def test_it_learns_ranges_of_targets_as_it_does_labels(drop, eager):
    class Regression:
        task, targets = "regression", drop.labels.astype(np.float64)

        def __getattr__(self, name):
            return getattr(drop, name)

    left_out = np.arange(len(drop.labels)) % 5 == 0
    answer = leave_out_retraining(Regression(), drop.labels, eager)(left_out)
    assert (answer == drop.labels)[left_out].mean() > 0.8


def test_it_trains_for_half_as_long_with_another_seed_and_tells_of_it(drop, config):
    reports = []
    leave_out_retraining(drop, drop.labels, config.replace(epochs=5), reports.append)(np.arange(len(drop.labels)) < 10)
    assert {report.epochs for report in reports} == {3}
    assert reports[-1].step == reports[-1].steps


def test_a_proxy_of_a_gpu_is_not_followed_by_one_of_a_cpu():
    assert can_retrain(ProxyConfig(device="cpu"), "cpu")
    assert not can_retrain(ProxyConfig(device="cpu"), "cuda:0")
    assert not can_retrain(ProxyConfig(device="cuda:7"), "cuda:7"), "a device that is not here"
    assert not can_retrain(ProxyConfig(model="hf:sha256:" + "0" * 64), "cpu")
