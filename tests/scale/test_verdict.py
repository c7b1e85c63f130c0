"""A verdict is the same bytes, however many processes shared its work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telltale_core.bench.scale import Size, spectrum, write
from telltale_core.bench.scale_drop import write_made_up_drop
from telltale_core.drop import Drop
from telltale_core.scale import ScaleConfig, using
from telltale_core.spectrum import Spectrum
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.conclude import conclude_on
from telltale_core.verdict.judgement import write_verdict

SIZE = Size(samples=1200, labels=4, snapshots=24)


@pytest.fixture(scope="module")
def judged_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    for stage in (write, spectrum):
        list(stage(folder, SIZE))
    write_made_up_drop(folder / "drop", SIZE.label)
    return folder


def verdict_by(folder: Path, scale: ScaleConfig) -> bytes:
    """Return the bytes of a verdict in which some samples are copies of others."""
    drop, config = Drop.open(folder / "drop"), VerdictConfig(min_cluster=5, dimensions=(4, 6))
    made_up = Spectrum.open(folder / "spectrum", drop=drop)
    leaders = drop.sample_ids.copy()
    leaders[4:200:8] = leaders[0:196:8]
    with using(scale):
        decisions = conclude_on(drop.sample_ids, made_up.spectra, drop.cohorts, config, leaders=leaders)
    out = folder / f"{scale.engine}-{scale.workers}"
    write_verdict(decisions, drop, out, config)
    assert np.unique([group.kind for group in decisions.groups]).size >= 1
    return (out / "verdict.parquet").read_bytes() + (out / "verdict.json").read_bytes()


@pytest.mark.slow
def test_a_verdict_of_one_process_and_of_two_is_the_same_bytes(judged_in: Path) -> None:
    assert verdict_by(judged_in, ScaleConfig(workers=2)) == verdict_by(judged_in, ScaleConfig())
