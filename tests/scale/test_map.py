"""The ordered map: results in order, few items held, errors as they are raised, processes that end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telltale_core.errors import Transient
from telltale_core.scale import ScaleConfig, ordered_map, using
from telltale_core.scale.local import WINDOW
from telltale_core.stages import STAGES, CleanseConfig
from tests.scale import work

TWO = ScaleConfig(workers=2)


def test_without_other_means_all_is_computed_here() -> None:
    with using(ScaleConfig()):
        assert list(ordered_map(work.process, range(3))) == [os.getpid()] * 3


@pytest.mark.slow
def test_results_come_in_the_order_of_the_items_from_other_processes() -> None:
    with using(TWO):
        assert list(ordered_map(work.slow_first, range(9))) == list(range(9))
        assert os.getpid() not in set(ordered_map(work.process, range(4)))
        assert list(ordered_map(work.process, range(1))) == [os.getpid()], "one alone is sent nowhere"
        assert list(ordered_map(work.square, [])) == []
    assert list(ordered_map(work.process, range(2))) == [os.getpid()] * 2, "the means end with the block"


@pytest.mark.slow
def test_few_items_are_held() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            drawn.append(number)
            yield number

    with using(TWO):
        results = ordered_map(work.square, items())
        assert next(results) == 0
        assert len(drawn) == WINDOW * 2
        assert list(results) == [number * number for number in range(1, 50)]


@pytest.mark.slow
def test_an_error_is_that_of_the_function_and_a_killed_process_is_worth_another_try() -> None:
    with using(TWO), pytest.raises(ValueError, match="no 0"):
        list(ordered_map(work.refuse, range(4)))
    with using(TWO), pytest.raises(Transient, match=r"scale\.workers"):
        list(ordered_map(work.killed, range(4)))


@pytest.mark.slow
def test_an_interrupt_waits_for_no_process() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), using(TWO):
        list(ordered_map(work.endless, items()))


PARENT = """
import os, signal
from telltale_core.scale import ScaleConfig, ordered_map, using
from tests.scale import work

if __name__ == "__main__":
    with using(ScaleConfig(workers=2)):
        print(*set(ordered_map(work.process, range(20))), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_processes_end_where_their_parent_is_killed(tmp_path: Path) -> None:
    program, root = tmp_path / "parent.py", Path(__file__).parents[2]
    program.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment, timeout=250, check=False
    )
    left = [int(number) for number in done.stdout.split()]
    assert left, done.stderr
    for _ in range(200):
        left = [number for number in left if Path(f"/proc/{number}").exists()]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"processes {left} live on")


def test_the_means_are_the_settings_of_no_stage_and_so_in_no_key() -> None:
    assert "scale" in CleanseConfig.model_fields
    assert "scale" not in {stage.settings for stage in STAGES.values()}
