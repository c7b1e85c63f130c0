"""Fills the names of buckets and queue into the templates beside this file: JSON for ``aws`` or ``mc admin``.

A template that asks for a name which was not given is not written, and said: without ``--queue-arn`` there is no policy
of a queue, with a name made up.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
ARN = {
    "queue": r"arn:[a-z-]+:sqs:[a-z0-9-]+:\d{12}:[\w.-]+",
    "topic": r"arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[\w.-]+",
    "rule": r"arn:[a-z-]+:events:[a-z0-9-]+:\d{12}:rule/[\w./-]+",
}


def render(names: dict[str, str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return each policy's text by its file name, and for each that was left out the names that it lacks."""
    policies, left_out = {}, {}
    for path in sorted(HERE.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        missing = sorted(set(re.findall(r"\$\{(\w+)\}", text)) - set(names))
        if missing:
            left_out[path.name] = missing
            continue
        policies[path.name] = Template(text).substitute(names)
        json.loads(policies[path.name])
    return policies, left_out


def main() -> None:
    """Write the policies into a folder, for everyone to read: they are no secrets, and containers read them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("inbox", "clean", "work"):
        parser.add_argument(f"--{name}", required=True, metavar="BUCKET")
    parser.add_argument("--inbox-prefix", default="inbox")
    parser.add_argument(
        "--dataset",
        default="*",
        help="the folder of the inbox this contributor may add to, as in the list inbox of its dataset; * is every one",
    )
    parser.add_argument("--queue-arn", metavar="ARN", help="the queue that the bridge reads")
    parser.add_argument("--topic-arn", metavar="ARN", help="the SNS topic, where the bucket notifies the queue by one")
    parser.add_argument("--rule-arn", metavar="ARN", help="the EventBridge rule, where one notifies the queue")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    names = {
        "INBOX_BUCKET": arguments.inbox,
        "INBOX_PREFIX": arguments.inbox_prefix,
        "CLEAN_BUCKET": arguments.clean,
        "WORK_BUCKET": arguments.work,
        "DATASET": arguments.dataset,
    }
    for kind, form in ARN.items():
        arn = getattr(arguments, f"{kind}_arn")
        if arn is None:
            continue
        if not re.fullmatch(form, arn):
            parser.error(f"--{kind}-arn must look like {form}, got {arn!r}")
        names[f"{kind.upper()}_ARN"] = arn
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.out.chmod(0o755)
    policies, left_out = render(names)
    for name, text in policies.items():
        place = arguments.out / name
        place.write_text(text, encoding="utf-8")
        place.chmod(0o644)
    for name, missing in left_out.items():
        (arguments.out / name).unlink(missing_ok=True)  # of an earlier run, with other names
        options = ", ".join(f"--{each.lower().replace('_', '-')}" for each in missing)
        print(f"left out {name}: give {options} where you need it")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
