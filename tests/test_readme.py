"""The five lines for a notebook run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from telltale_core.drop import ingest
from telltale_core.drop.demo import write_image_drop
from telltale_core.proxy import ProxyConfig, train
from telltale_core.publish import publish, verify
from telltale_core.verdict import TelltaleDetector

pytestmark = pytest.mark.trains

README = Path(__file__).parent.parent / "telltale_core" / "README.md"


def test_the_notebook_lines_bring_a_drop_to_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    images = rng.integers(0, 60, (120, 8, 8, 3), dtype=np.uint8) + (labels * 120).astype(np.uint8)[:, None, None, None]
    write_image_drop(tmp_path / "my_drop", images, labels, [f"s{i:03d}" for i in range(120)], ["dark", "light"])
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    lines = block.group(1)
    assert len(lines.strip().splitlines()) == 5
    names = {
        "Path": Path,
        "ingest": ingest,
        "train": train,
        "ProxyConfig": lambda epochs: ProxyConfig(epochs=min(epochs, 4), width=4, threads=1),
        "TelltaleDetector": TelltaleDetector,
        "publish": publish,
    }
    exec(compile(lines, "README.md", "exec"), names)
    assert capsys.readouterr().out
    assert verify(str(tmp_path / "work/clean")).ok
    assert names["version"].counts["ingested"] == 120  # type: ignore[attr-defined]
