"""Fills the names of buckets into the policy templates beside this file: plain JSON for ``aws iam`` or ``mc admin``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from string import Template

HERE = Path(__file__).parent


def render(names: dict[str, str]) -> dict[str, str]:
    """Return each policy's text by its file name; :class:`KeyError` for a name that a template needs and lacks."""
    made = {}
    for path in sorted(HERE.glob("*.json")):
        text = Template(path.read_text(encoding="utf-8")).substitute(names)
        json.loads(text)
        made[path.name] = text
    return made


def main() -> None:
    """Write the policies into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("inbox", "clean", "work"):
        parser.add_argument(f"--{name}", required=True, metavar="BUCKET")
    parser.add_argument("--inbox-prefix", default="inbox")
    parser.add_argument("--dataset", default="*", help="what this contributor may add to; * is every dataset")
    parser.add_argument("--queue-arn", default="arn:aws:sqs:REGION:ACCOUNT:drops")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    names = {
        "INBOX_BUCKET": given.inbox,
        "INBOX_PREFIX": given.inbox_prefix,
        "CLEAN_BUCKET": given.clean,
        "WORK_BUCKET": given.work,
        "DATASET": given.dataset,
        "QUEUE_ARN": given.queue_arn,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in render(names).items():
        (given.out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
