from decimal import Decimal, getcontext

import numpy as np
import pytest
import torch

from telltale_core.errors import ConfigError
from telltale_core.losslog.values import log_cross_entropy, log_squared_error

getcontext().prec = 60


def reference(logits, label) -> float:
    """The log of the cross-entropy in 60 digits, from the very float32 logits that the function is given."""
    total = sum((Decimal(z) - Decimal(logits[label])).exp() for j, z in enumerate(logits) if j != label)
    loss = (1 + total).ln() if total > Decimal("1e-25") else total - total * total / 2
    return float(loss.ln())


@pytest.mark.parametrize("gap", [-80.0, -3.0, 0.0, 0.5, 8.0, 17.0, 35.9, 36.1, 60.0, 120.0, 400.0, 2000.0])
def test_log_cross_entropy_equals_sixty_digit_arithmetic(gap):
    logits = np.array([gap, 0.0, -0.25, 0.125], dtype=np.float32)
    log_loss = log_cross_entropy(torch.from_numpy(logits)[None], torch.tensor([0])).item()
    assert log_loss == pytest.approx(reference(logits.tolist(), 0), rel=1e-13, abs=1e-13)


def test_log_cross_entropy_agrees_with_the_usual_loss_where_that_one_is_exact():
    logits, labels = torch.randn(64, 7, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 7
    usual = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none").log()
    assert torch.allclose(log_cross_entropy(logits, labels), usual, rtol=1e-10)


def test_log_cross_entropy_separates_losses_that_float32_rounds_to_zero():
    logits = torch.tensor([[200.0, 0.0], [300.0, 0.0]])
    assert torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0]), reduction="none").tolist() == [0.0, 0.0]
    assert log_cross_entropy(logits, torch.tensor([0, 0])).tolist() == [-200.0, -300.0]


@pytest.mark.parametrize("shape", [(4, 1), (4,)])
def test_a_single_class_has_no_loss_to_log(shape):
    with pytest.raises(ConfigError, match="K >= 2"):
        log_cross_entropy(torch.zeros(shape), torch.zeros(4, dtype=torch.int64))


def test_log_squared_error_is_twice_the_log_of_the_error():
    log_losses = log_squared_error(torch.tensor([3.0, -1.0]), torch.tensor([1.0, 1.0], dtype=torch.float64))
    assert log_losses.tolist() == pytest.approx([2 * np.log(2.0)] * 2)


@pytest.mark.parametrize("target", [0.0, 1.0, -1e-3, 1e6])
def test_an_exact_hit_counts_as_half_the_float32_spacing(target):
    value = np.float32(target)
    log_loss = log_squared_error(torch.tensor([value]), torch.tensor([float(value)], dtype=torch.float64)).item()
    assert log_loss == pytest.approx(2 * np.log(0.5 * float(np.spacing(abs(value)))), rel=1e-12)
