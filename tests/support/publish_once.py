"""Publishes a drop made by hand; the crash tests run it as a process and kill it at a failpoint."""

import sys
from pathlib import Path

from telltale_core.publish import PublishConfig, publish
from tests.support import storage


def publish_once(job: Path, out: str, run_key: str):
    """Publish the job's drop the same way in every process."""
    page = job / "drop" / "manifest.json"
    drop = storage.HandMadeDrop(job / "drop", storage.read_json(page), storage.ids_of(job / "verdict"))
    config = PublishConfig(shard_bytes=2000)
    return publish(drop, job / "verdict", out, run_key=run_key, lineage=storage.CODE, config=config, report=page)


if __name__ == "__main__":
    publish_once(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
