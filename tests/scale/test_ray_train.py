"""One training on a Ray cluster of two nodes: the bytes of one process, also where its processes are killed."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale_core import stages
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError
from telltale_core.scale import ScaleConfig, on_ranks
from tests.scale import dying, work
from tests.scale.test_together import SETTINGS, alone, same
from tests.support.loss_logs import log_bytes

__all__ = ["alone"]
RAY = ScaleConfig(engine="ray", workers=2)
pytestmark = [
    pytest.mark.filterwarnings("ignore:::ray"),  # of its own deprecated settings
    pytest.mark.timeout(900),  # Ray starts about ten processes, each importing torch
]
whole = pytest.mark.skipif(not os.environ.get("E2E_WHOLE"), reason="minutes on few processors: E2E_WHOLE=1 runs it")


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.trains
def test_the_stage_on_two_nodes_leaves_the_bytes_of_one_process(two_nodes: Any, drop: Drop, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    np.save(source / "images.npy", np.asarray(drop.inputs))
    np.save(source / "labels.npy", drop.labels)
    logs = []
    for name, scale in {"one": ScaleConfig(), "two": RAY}.items():
        record = stages.ingest(str(source), str(tmp_path / name), {"image_size": 64})
        trained = stages.train(record, str(tmp_path / name), SETTINGS, scale=scale)
        logs.append(log_bytes(stages.folder_of(trained, "train", str(tmp_path / name))))
    assert logs[0] == logs[1]


@whole
@pytest.mark.slow
@pytest.mark.server
@pytest.mark.trains
def test_ray_starts_a_group_again_whose_processes_were_killed(
    two_nodes: Any, drop: Drop, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    on_ranks(partial(dying.on_rank, str(drop.path), str(out), SETTINGS), RAY)
    assert len(list(Path(f"{out}-rank-0-starts").iterdir())) == 3
    assert same(out, alone)


@whole
@pytest.mark.slow
@pytest.mark.server
def test_an_error_of_the_settings_is_raised_as_a_rank_raised_it(two_nodes: Any) -> None:
    with pytest.raises(ConfigError, match="no setting of rank"):
        on_ranks(work.refuse_setting, RAY)


@whole
@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize(("refuse", "rank"), [(work.refuse_setting_of_rank_0, 0), (work.refuse_setting_of_another, 1)])
def test_an_error_of_one_rank_ends_the_group_that_waits_for_it(two_nodes: Any, refuse: Any, rank: int) -> None:
    with pytest.raises(ConfigError, match=f"no setting of rank {rank}"):
        on_ranks(refuse, RAY)
