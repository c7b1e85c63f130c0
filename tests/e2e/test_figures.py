"""How long people wait, on the whole stack: from an upload to its run, and what orchestration adds to the library.

``E2E_LATENCIES=20 E2E_FIGURES=figures.jsonl pytest tests/e2e/test_figures.py``; alone on its machine. The settings are
the short ones of ``conftest.py``; with ``E2E_DEFAULTS=1`` they are Telltale's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from typing import Any

import pytest

from telltale_core import publish

UPLOADS = int(os.environ.get("E2E_LATENCIES", "0"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not UPLOADS, reason="figures, minutes each: E2E_LATENCIES=20 takes them"),
]
LIBRARY = """
import json, sys, time
began = time.perf_counter()
from telltale_core import stages
from telltale_core.config import from_dict, to_dict
source, destination, work, given = sys.argv[1:]
settings = to_dict(from_dict(stages.CleanseConfig, json.loads(given)))
imported = time.perf_counter()
record = source
for name in ("ingest", "train", "spectrum", "cluster", "report"):
    record = getattr(stages, name)(record, work, settings[stages.STAGES[name].settings])
stages.publish(record, work, settings["publish"], destination=destination)
print(json.dumps({"library_s": time.perf_counter() - imported, "imports_s": imported - began}))
"""


def test_uploads_one_after_another_start_their_runs_soon(running: Any, inbox: Any) -> None:
    """The content is the same each time, so that the stages are reused and what is timed is the way to the run."""
    for number in range(UPLOADS + 1):  # the first is not like the others: it trains
        drop = f"latency/drop-{number:02d}"
        inbox.put(drop, ids="latency")
        run = running.wait_for("a run", lambda drop=drop: next(iter(running.runs_of(drop)), None), 300)
        run = running.ended(run["id"])
        assert run["state_name"] == "Completed"
        if number:
            made_s, began_s, ended_s = (
                datetime.fromisoformat(run[name]).timestamp() - inbox.uploaded[drop]
                for name in ("created", "start_time", "end_time")
            )
            running.note(case="one by one", drop=drop, made_s=made_s, began_s=began_s, ended_s=ended_s)
    assert len(publish.log("s3://clean/sets/latency")) == 1  # equal content, settings and place: one version


def test_a_small_drop_from_its_upload_to_its_version(running: Any, inbox: Any) -> None:
    """Each time other content, so that every stage runs; the seconds are since the upload of the drop's last file."""
    for number in range(min(UPLOADS, 5) + 1):  # the first is not like the others: nothing is in the machine's memory
        drop, before = f"minute/drop-{number}", [running.ended_runs_cpu_s(f"worker-{pool}") for pool in ("cpu", "gpu")]
        inbox.put(drop)
        inbox.version("minute", source=drop.partition("/")[2])
        [run] = running.runs_of(drop)
        run = running.ended(run["id"])
        tasks = running.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        task_ids = {task["id"] for task in tasks}
        [training] = [each for each in running.runs("train-proxy") if each["parent_task_run_id"] in task_ids]
        time.sleep(5)  # the processes end
        after = [running.ended_runs_cpu_s(f"worker-{pool}") for pool in ("cpu", "gpu")]

        def since(one: Any, name: str, uploaded: float = inbox.uploaded[drop]) -> float:
            return round(datetime.fromisoformat(one[name]).timestamp() - uploaded, 1)

        stages = {task["name"].split()[0]: (since(task, "start_time"), since(task, "end_time")) for task in tasks}
        running.note(
            case="parts",
            defaults=bool(os.environ.get("E2E_DEFAULTS")),
            drop=drop,
            made_s=since(run, "created"),
            began_s=since(run, "start_time"),
            training_made_s=since(training, "created"),
            training_began_s=since(training, "start_time"),
            training_ended_s=since(training, "end_time"),
            stages_s=stages,
            published_s=stages["publish"][1],
            cpu_s=[round(later - earlier, 1) for earlier, later in zip(before, after, strict=True)],
            load=os.getloadavg()[0],
        )


@pytest.mark.parametrize("turn", range(3))
def test_the_library_alone_beside_the_whole_stack(
    turn: int, running: Any, inbox: Any, small_settings: dict[str, Any]
) -> None:
    inbox.put(f"direct/turn-{turn}", folder="elsewhere")  # where no sweep finds it
    began = time.monotonic()
    places = [f"s3://raw/elsewhere/direct/turn-{turn}", "s3://clean/sets/direct", "s3://work/direct"]
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY, *places, json.dumps(small_settings)],
        env=running.environment("direct"),
        cwd=running.folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    process_s = time.monotonic() - began
    inbox.put(f"stacked/turn-{turn}")
    inbox.version("stacked", source=f"turn-{turn}")
    version_s = time.time() - inbox.uploaded[f"stacked/turn-{turn}"]
    [run] = running.runs_of(f"stacked/turn-{turn}")
    run = running.ended(run["id"])
    training = max(running.runs("train-proxy"), key=lambda each: each["created"])
    counts = [publish.log(f"s3://clean/sets/{name}")[-1].counts for name in ("direct", "stacked")]
    assert counts[0] == counts[1]
    running.note(
        case="overhead",
        turn=turn,
        process_s=process_s,
        **json.loads(done.stdout),
        version_s=version_s,
        run_s=run["total_run_time"],
        training_run_s=training["total_run_time"],
    )
