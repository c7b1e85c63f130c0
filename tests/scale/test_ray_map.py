"""The ordered map on a Ray of this machine and on a cluster of two nodes, one of which is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from telltale_core.errors import ConfigError
from telltale_core.scale import ScaleConfig, ordered_map, using
from tests.scale import work
from tests.scale.test_verdict import judged_in, verdict_by

__all__ = ["judged_in"]
RAY = ScaleConfig(engine="ray", workers=2)


@pytest.mark.slow
@pytest.mark.server
def test_a_ray_of_its_own_computes_in_order_and_ends_with_the_block(token: str) -> None:
    import ray

    before = signal.getsignal(signal.SIGTERM)
    with using(RAY):
        assert list(ordered_map(work.slow_first, range(9))) == list(range(9))
        assert os.getpid() not in set(ordered_map(work.process, range(4)))
        with pytest.raises(ValueError, match="no 0"):
            list(ordered_map(work.refuse, range(4)))
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
@pytest.mark.server
def test_a_task_whose_process_was_killed_and_one_whose_node_was_lost_are_computed_again(
    two_nodes: Any, tmp_path: Path
) -> None:
    with using(RAY):
        killed = ordered_map(work.killed_once, [str(tmp_path / f"{number}") for number in range(4)])
        assert list(killed) == [str(tmp_path / f"{number}") for number in range(4)]
        results = ordered_map(work.slowly, range(8))
        assert next(results) == 0
        two_nodes.remove_node(two_nodes.list_all_nodes()[1], allow_graceful=False)
        assert list(results) == list(range(1, 8))


@pytest.mark.slow
@pytest.mark.server
def test_a_verdict_of_two_nodes_is_the_bytes_of_one_process(two_nodes: Any, judged_in: Path) -> None:
    assert verdict_by(judged_in, RAY) == verdict_by(judged_in, ScaleConfig())


@pytest.mark.parametrize(
    ("values", "message"),
    [({"engine": "ray", "address": "ray://head:10001"}, "Ray Client"), ({"address": "auto"}, "scale.engine")],
)
def test_an_address_is_one_within_a_cluster(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScaleConfig(**values)
