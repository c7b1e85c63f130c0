"""Contributors and readers of the stack: who uploads drops, who reads versions."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Inbox:
    """A contributor with an ordinary S3 client, and a reader of the published datasets."""

    def __init__(self, running: Any, small_drop: Path) -> None:
        import boto3

        self.running, self.small_drop = running, small_drop
        self.uploaded: dict[str, float] = {}
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        for bucket in ("raw", "work", "clean"):
            self.s3.create_bucket(Bucket=bucket)
        attributes = {"VisibilityTimeout": "20"}
        running.queue = self.queue = self.sqs.create_queue(QueueName="drops", Attributes=attributes)["QueueUrl"]
        self.notify()

    def notify(self) -> None:
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket="raw", NotificationConfiguration={"QueueConfigurations": [rule]}
        )

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Lose every notification."""
        self.s3.put_bucket_notification_configuration(Bucket="raw", NotificationConfiguration={})
        try:
            yield
        finally:
            self.notify()

    def note_latencies(self) -> None:
        """Keep how long after its upload each drop's run began."""
        from datetime import datetime

        for drop, uploaded in self.uploaded.items():
            for run in self.running.runs_of(drop):
                creation_time, start_time = (
                    datetime.fromisoformat(run[name]).timestamp() for name in ("created", "start_time")
                )
                seconds = {"made_s": creation_time - uploaded, "began_s": start_time - uploaded}
                self.running.note(case="latency", drop=drop, at=uploaded, **seconds)

    def put(self, drop: str, *, mark: bool = True, ids: str = "", folder: str = "inbox") -> None:
        """Upload the small drop under ``<dataset>/<name>``, its ids and thus its content its own; the mark last.

        With ``ids`` its content is that of every drop with the same. In another ``folder`` nothing starts it.
        """
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(self.small_drop / "train.parquet")
        place = table.schema.get_field_index("id")
        ids = pa.array([f"{name}-{ids or drop.replace('/', '-')}" for name in table["id"].to_pylist()])
        data = io.BytesIO()
        pq.write_table(table.set_column(place, table.schema.field(place), ids), data)
        self.s3.put_object(Bucket="raw", Key=f"{folder}/{drop}/train.parquet", Body=data.getvalue())
        if mark and folder == "inbox":
            self.mark(drop)

    def put_files(self, drop: str, files: dict[str, bytes]) -> None:
        """Upload files of any kind under ``<dataset>/<name>``; the mark last."""
        for name, data in files.items():
            self.s3.put_object(Bucket="raw", Key=f"inbox/{drop}/{name}", Body=data)
        self.mark(drop)

    def mark(self, drop: str) -> None:
        self.s3.put_object(Bucket="raw", Key=f"inbox/{drop}/_SUCCESS", Body=b"")
        self.uploaded[drop] = time.time()

    def announce(self, key: str) -> None:
        """Send a notification once more, as a store that delivers at least once may."""
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "raw"}, "object": {"key": f"inbox/{key}"}},
        }
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps({"Records": [record]}))

    def empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return not any(int(counts[name]) for name in names)

    def objects_below(self, bucket: str, prefix: str) -> list[str]:
        """Return the names of a bucket's objects that begin like this."""
        entries = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in entries]

    def sources(self, dataset: str) -> list[str]:
        """Return the sources of all versions of a dataset."""
        from telltale_core import publish

        return [version.manifest["drop"]["source"] for version in publish.log(f"s3://clean/sets/{dataset}")]

    def version(self, dataset: str, source: str = "", limit_s: float = 1800) -> Any:
        """Return the first version (of that drop), once it is published."""
        from telltale_core import publish

        def there() -> Any:
            for version in publish.log(f"s3://clean/sets/{dataset}"):
                if version.manifest["drop"]["source"].endswith(f"/{source}" if source else ""):
                    return version
            return None

        return self.running.wait_for(f"a version of {dataset} {source}", there, limit_s)

    def objects(self, bucket: str) -> Iterator[tuple[str, str]]:
        """Return name and content (one character a byte; of Parquet its rows as text too) of a bucket's objects."""
        import io

        import pyarrow.parquet as pq

        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for each in page.get("Contents", []):
                body = self.s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
                rows = str(pq.read_table(io.BytesIO(body)).to_pylist()) if each["Key"].endswith(".parquet") else ""
                yield each["Key"], body.decode("latin-1") + rows
