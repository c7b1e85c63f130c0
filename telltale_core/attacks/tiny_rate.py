"""Adaptive attacker: fewer poisoned rows than the detector's smallest cluster; a configuration of any other attack."""

from __future__ import annotations

from telltale_core.attacks.contract import within


def tiny_rate(rows: int, min_cluster_size: int, share: float = 1.0) -> float:
    """Return the rate at which an attack poisons just less than ``min_cluster_size`` of ``rows`` rows.

    ``share`` below 1 goes further down. Use it as the rate of any attack:
    ``make_attack("badnets").poison(data, tiny_rate(len(data), 10), target, seed)``.
    """
    within("min_cluster_size", min_cluster_size, 2, rows)
    within("share", share, 0, 1)
    return max(1, int(share * (min_cluster_size - 1))) / rows
