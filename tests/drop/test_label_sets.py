"""Sets of labels are held a bit a label, and are indexed, counted and ordered as flags are."""

import tracemalloc

import numpy as np
import pytest
import torch

from telltale_core.drop.cohorts import common_label_sets
from telltale_core.label_sets import PART, LabelSets
from telltale_core.proxy.data import Flags
from telltale_core.proxy.objective import make_objective


@pytest.mark.parametrize(("samples", "labels"), [(700, 3), (900, 8), (1300, 17), (PART + 5, 2)])
def test_sets_are_what_their_flags_are(samples: int, labels: int) -> None:
    rng = np.random.default_rng(labels)
    flags = (rng.random((samples, labels)) < 0.3).astype(np.int64)
    row, label = np.nonzero(flags)
    for sets in (LabelSets.of_flags(flags), LabelSets.of_pairs(np.tile(row, 2), np.tile(label, 2), flags.shape)):
        np.testing.assert_array_equal(sets, flags)
        some = rng.permutation(samples)[:50]
        for index in (some, slice(3, 40), 5):
            np.testing.assert_array_equal(sets[index], flags[index])
        assert (len(sets), sets.shape, sets[some].dtype) == (samples, flags.shape, np.int64)
        np.testing.assert_array_equal(sets.counts(), flags.sum(axis=0))
        for index in (torch.from_numpy(some), slice(3, 40)):
            assert torch.equal(Flags(sets, "cpu")[index], torch.from_numpy(flags).float()[index])


@pytest.mark.parametrize("labels", [2, 9])
def test_cohorts_of_sets_are_in_the_order_of_their_flags(labels: int) -> None:
    rng = np.random.default_rng(labels)
    kinds = (rng.random((6, labels)) < 0.5).astype(np.int64)
    flags = kinds[np.minimum(rng.geometric(0.35, 3000) - 1, 5)]
    ordered, number, counts = np.unique(flags, axis=0, return_inverse=True, return_counts=True)
    frequent = np.flatnonzero(counts >= 200)
    place = np.full(len(counts), len(frequent))
    place[frequent] = np.arange(len(frequent))
    cohorts = common_label_sets(LabelSets.of_flags(flags), None)
    assert cohorts is not None
    np.testing.assert_array_equal(cohorts.number, place[number.reshape(-1)])
    assert cohorts.names is not None
    assert list(cohorts.names[:-1]) == [
        " + ".join(str(label) for label in np.flatnonzero(ordered[row])) or "no label" for row in frequent
    ]


def test_losses_of_sets_are_bit_for_bit_those_of_flags() -> None:
    rng = np.random.default_rng(0)
    flags = (rng.random((300, 11)) < 0.2).astype(np.int64)
    output = torch.from_numpy(rng.normal(0, 4, flags.shape).astype(np.float32))
    objective, index = make_objective("multilabel", LabelSets.of_flags(flags), 11, "cpu"), torch.arange(7, 200, 3)
    answer = torch.from_numpy(flags.astype(np.float32))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(output[index], answer[index])
    assert objective.loss(output[index], index).item() == expected.item()
    share = answer.double().mean(0)
    assert objective.guess() == float((torch.special.entr(share) + torch.special.entr(1 - share)).mean())


def test_many_sets_take_a_bit_a_label() -> None:
    samples, labels = 20_000, 1_000
    row = np.repeat(np.arange(samples), 3)
    label = np.random.default_rng(1).integers(0, labels, len(row))
    tracemalloc.start()
    sets = LabelSets.of_pairs(row, label, (samples, labels))
    sets.counts()
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < samples * labels / 7
    assert sets.bits.nbytes == samples * labels // 8
    assert most < samples * labels / 2
