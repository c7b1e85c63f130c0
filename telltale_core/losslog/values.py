"""Losses in the natural-log domain, exact where a float32 loss has long rounded to zero.

A sample that the proxy has learned has a cross-entropy of 1e-9 and below, where ``1 - softmax`` in float32 knows only
multiples of 2**-23 and 0. Its *logarithm* still moves by whole units from snapshot to snapshot, and that movement is
the signal.
"""

from __future__ import annotations

import math

import torch

from telltale_core.errors import ConfigError


def log_cross_entropy(logits_NK: torch.Tensor, label_N: torch.Tensor) -> torch.Tensor:
    """Return the natural log of each sample's cross-entropy: (N,) float64 on the logits' device, finite.

    ``log(softplus(a))`` with ``a = logsumexp over j != y of (z_j - z_y)``, all in float64. For ``a`` below -36 the
    softplus equals ``exp(a)`` to the last bit, so its logarithm is ``a`` itself and never underflows.

    Raises :class:`ConfigError` for fewer than two classes, where every loss is zero and says nothing.
    """
    if logits_NK.ndim != 2 or logits_NK.shape[1] < 2:
        raise ConfigError(f"cross-entropy needs logits of shape (N, K >= 2), got {tuple(logits_NK.shape)}")
    logits = logits_NK.double()
    column = label_N.long()[:, None]
    margin = logits - logits.gather(1, column)
    margin.scatter_(1, column, -torch.inf)
    a = torch.logsumexp(margin, dim=1)
    softplus = a.clamp(min=0) + torch.log1p(torch.exp(-a.abs()))
    return torch.where(a < -36.0, a, torch.log(softplus))


def log_squared_error(prediction_N: torch.Tensor, target_N: torch.Tensor) -> torch.Tensor:
    """Return the natural log of each sample's squared error: (N,) float64 on the predictions' device, finite.

    Predictions and targets (N,), or (N, K) for several targets, whose mean is taken. No epsilon is added. A float32
    prediction that equals its target says only that the error is below half the spacing of float32 numbers at that
    target, so errors are taken as at least that half spacing; larger ones are untouched.
    """
    return log_mean(2.0 * torch.log(_least_error(prediction_N, target_N)))


def log_absolute_error(prediction_N: torch.Tensor, target_N: torch.Tensor) -> torch.Tensor:
    """Return the natural log of each sample's absolute error; shapes and least error as for the squared one."""
    return log_mean(torch.log(_least_error(prediction_N, target_N)))


def log_huber_error(prediction_N: torch.Tensor, target_N: torch.Tensor) -> torch.Tensor:
    """Return the natural log of each sample's Huber loss, half the square up to 1 and linear beyond; as above."""
    error = _least_error(prediction_N, target_N)
    return log_mean(torch.where(error < 1.0, 2.0 * torch.log(error) - math.log(2.0), torch.log(error - 0.5)))


def log_binary_cross_entropy(logits_NK: torch.Tensor, label_NK: torch.Tensor) -> torch.Tensor:
    """Return the natural log of each sample's mean binary cross-entropy over K labels: (N,) float64, finite.

    The loss of one label is ``softplus(a)`` with ``a`` the logit of the wrong answer; see :func:`log_cross_entropy`.
    """
    logits = logits_NK.double()
    a = torch.where(label_NK > 0.5, -logits, logits)
    softplus = a.clamp(min=0) + torch.log1p(torch.exp(-a.abs()))
    return log_mean(torch.where(a < -36.0, a, torch.log(softplus)))


def _least_error(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    exact = target.double()
    size = exact.abs().float()
    spacing = torch.nextafter(size, torch.full_like(size, torch.inf)) - size
    return torch.maximum((prediction.double() - exact).abs(), 0.5 * spacing.double())


def log_mean(log_loss: torch.Tensor) -> torch.Tensor:
    """Return the log of the mean loss over the last axis, (N,), of log losses (N, K) or (N,)."""
    if log_loss.ndim == 1:
        return log_loss
    if log_loss.shape[1] == 1:
        return log_loss[:, 0]
    return torch.logsumexp(log_loss, dim=1) - math.log(log_loss.shape[1])
