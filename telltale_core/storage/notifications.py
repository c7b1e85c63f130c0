"""Whether a bucket tells anybody that an object was created. Only for looking: nobody's configuration is changed."""

from __future__ import annotations

from telltale_core.errors import ConfigError
from telltale_core.storage.names import parse_url
from telltale_core.storage.store import open_store


def notified(url: str) -> list[str]:
    """Return what the bucket of ``url`` notifies of created objects below it, such as ``queue drops``; none: empty.

    Raises :class:`StorageError` or :class:`Transient` where the bucket cannot be asked.
    """
    location = parse_url(url)
    if location.scheme != "s3":
        raise ConfigError(f"only s3 buckets notify, not {location.scheme}")
    from telltale_core.storage.s3 import S3Transport

    store = open_store(url)
    transport = store.transport
    assert isinstance(transport, S3Transport)  # noqa: S101 - by the scheme
    try:
        reply = transport.fs.call_s3("get_bucket_notification_configuration", Bucket=transport.bucket)
    except transport.errors as error:
        raise transport.explain(error).error("read the notifications of", f"s3://{transport.bucket}") from None
    targets: list[str] = []
    for kind, arn in (("Queue", "QueueArn"), ("Topic", "TopicArn"), ("LambdaFunction", "LambdaFunctionArn")):
        rules = reply.get(f"{kind}Configurations", [])
        ours = [rule for rule in rules if any(event.startswith("s3:ObjectCreated:") for event in rule["Events"])]
        targets += [f"{kind.lower()} {rule[arn].rsplit(':', 1)[-1]}" for rule in ours]
    return targets + (["EventBridge"] if "EventBridgeConfiguration" in reply else [])
