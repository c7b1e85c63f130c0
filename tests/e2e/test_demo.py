"""``telltale demo`` as a newcomer runs it: a process of its own, no Prefect server set up, nothing there yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from telltale_core import publish

ROOT = Path(__file__).parent.parent.parent
SLOW_S = 2400  # bfloat16 on a chip that has none of its own: minutes for what takes seconds


def demo(home: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Return what ``telltale demo --json`` printed and told; its working folder is the repository's."""
    set_aside = ("PREFECT_", "TELLTALE_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(set_aside)}
    variables |= {"PREFECT_HOME": str(home / "prefect"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "flows", "demo", "--json", "--work", str(home / "runs"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=SLOW_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(2 * SLOW_S)
def test_the_demo_finds_the_poison_with_no_server_set_up_and_twice_gives_one_version(tmp_path: Path) -> None:
    first, said = demo(tmp_path)
    score = first["score"]
    assert "starting Prefect" in said
    assert (first["state"], first["version"], score["poisoned"]) == ("published", 1, 90)
    assert score["found"] >= 0.9 * score["poisoned"]
    assert score["wrongly_quarantined"] <= 0.01 * score["clean"]
    assert Path(first["report"]).is_file()
    assert first["counts"]["quarantined"] == score["found"] + score["wrongly_quarantined"]
    assert publish.verify(first["dataset"]).ok

    again, _ = demo(tmp_path)
    assert {name: again[name] for name in ("version", "run_key", "keys", "files", "score")} == {
        name: first[name] for name in ("version", "run_key", "keys", "files", "score")
    }
    assert len(publish.log(first["dataset"])) == 1
