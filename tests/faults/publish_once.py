"""Publishes a drop made by hand; the crash tests run it as a process and kill it at a failpoint."""

import importlib.util
import sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("support", Path(__file__).parents[1] / "storage" / "support.py")
support = importlib.util.module_from_spec(spec)
spec.loader.exec_module(support)

if __name__ == "__main__":
    from telltale_core.publish import PublishConfig, publish

    job, out, run_key = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    manifest = support.read_json(job / "drop" / "manifest.json")
    drop = support.HandMadeDrop(job / "drop", manifest, support.ids_of(job / "verdict"))
    config = PublishConfig(shard_bytes=2000)
    publish(
        drop,
        job / "verdict",
        out,
        run_key=run_key,
        lineage=support.CODE,
        config=config,
        report=job / "drop" / "manifest.json",
    )
