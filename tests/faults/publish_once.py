"""Publishes a drop made by hand; the crash tests run it as a process and kill it at a failpoint."""

import importlib.util
import sys
from pathlib import Path


def publish_once(support, job: Path, out: str, run_key: str):
    """Publish the job's drop the same way in every process."""
    from telltale_core.publish import PublishConfig, publish

    page = job / "drop" / "manifest.json"
    drop = support.HandMadeDrop(job / "drop", support.read_json(page), support.ids_of(job / "verdict"))
    config = PublishConfig(shard_bytes=2000)
    return publish(drop, job / "verdict", out, run_key=run_key, lineage=support.CODE, config=config, report=page)


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("support", Path(__file__).parents[1] / "storage" / "support.py")
    support = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(support)
    publish_once(support, Path(sys.argv[1]), sys.argv[2], sys.argv[3])
