"""S3 listing: the objects below a prefix, a page of a thousand at a time, through s3fs."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class ObjectStat(NamedTuple):
    """What a listing says of an object; s3fs's own dictionary takes five times the memory."""

    path: str  # bucket/key
    size: int  # bytes
    mtime: float  # seconds since the epoch
    etag: str


def is_s3(fs: Any) -> bool:
    """Return whether a file system is s3fs."""
    return hasattr(fs, "call_s3")


def each_object(fs: Any, root: str) -> Iterator[ObjectStat]:
    """Yield the objects below `bucket/prefix`, in the order of their keys: one request a thousand, none of objects.

    ListObjectsV2 of the S3 API. Folder markers, empty objects whose key ends in a slash, are left out. s3fs repeats
    requests that are throttled or cut off, and translates S3's errors into OSErrors.
    """
    bucket, _, prefix = root.partition("/")
    wanted = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else ""}
    token: str | None = None
    while True:
        page = fs.call_s3("list_objects_v2", **wanted, **({"ContinuationToken": token} if token else {}))
        for each in page.get("Contents", ()):
            if not each["Key"].endswith("/"):
                modified, etag = each["LastModified"].timestamp(), each.get("ETag", "").strip('"')
                yield ObjectStat(f"{bucket}/{each['Key']}", each["Size"], modified, etag)
        token = page.get("NextContinuationToken")
        if not token:
            return
