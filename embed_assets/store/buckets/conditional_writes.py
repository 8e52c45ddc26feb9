"""Conditional writes: whether a bucket refuses a second object of one key, on which Lance's commits rest."""

import uuid
from collections.abc import Mapping
from typing import Any

from embed_assets.errors import StoreError

_MARK = ".conditional-writes"  # beside the tables: the endpoint whose writes were found to be conditional


def require_conditional_writes(uri: str, options: Mapping[str, Any]) -> None:
    """Check once a store that a bucket honours If-None-Match: without, rows of two writers are lost in silence.

    Two puts of one key, of which the second must fail
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html). The endpoint that passed is kept
    in the store: later processes read one object. Who may only read passes, and can lose nothing. Raises StoreError.
    """
    import fsspec

    try:
        fs, folder = fsspec.core.url_to_fs(uri.rstrip("/"), **options)
    except (ImportError, ValueError) as error:
        raise StoreError(f"Store {uri!r} can't be opened: {error}") from error
    if not hasattr(fs, "s3"):
        return
    mark, endpoint = f"{folder}/{_MARK}", _endpoint(fs, uri)
    if _read(fs, mark, uri) == endpoint:
        return
    try:
        _put_twice(fs, f"{folder}/.preflight-{uuid.uuid4().hex}", uri)
        fs.pipe_file(mark, endpoint.encode())
    except PermissionError:
        return


def _put_twice(fs: Any, path: str, uri: str) -> None:
    try:
        fs.pipe_file(path, b"1", mode="create")
    except PermissionError:
        raise
    except Exception as error:  # botocore's own, of an endpoint that does not answer, are no OSErrors
        raise _unwritable(uri, error) from error
    try:
        fs.pipe_file(path, b"2", mode="create")
    except FileExistsError:
        return
    finally:
        fs.rm_file(path)
    raise StoreError(
        f"Store {uri!r} does not honour conditional writes: commits of two writers would be lost. "
        "Use an object store that does."
    )


def _read(fs: Any, path: str, uri: str) -> str | None:
    try:
        return fs.cat_file(path, start=0, end=2000).decode(
            errors="replace"
        )  # of a range: one request, no HEAD before it
    except (FileNotFoundError, PermissionError):
        return None
    except Exception as error:
        raise _unwritable(uri, error) from error


def _endpoint(fs: Any, uri: str) -> str:
    try:
        fs.connect()
        return str(fs.s3.meta.endpoint_url)
    except Exception as error:
        raise _unwritable(uri, error) from error


def _unwritable(uri: str, error: Exception) -> StoreError:
    return StoreError(f"Store {uri!r} can't be written: {error}. Check the bucket's name, endpoint and credentials.")
