"""Web: files of http and https addresses, with retries and limits; every redirect must be allowed."""

import base64
import contextlib
import http.client
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urljoin, urlsplit

from embed_assets.errors import MediaError
from embed_assets.media.files.redacted_uri import brief, place_of
from embed_assets.media.media_types import ListedFile
from embed_assets.media.uris.allowed_prefixes import NO_ADDRESS, OUTSIDE, Allowed
from embed_assets.media.uris.host_health import UNREACHABLE, Hosts, Trouble
from embed_assets.media.uris.http_connections import Connection, response, troubles

_HOPS = 5
_PATIENCE = 60.0  # seconds that a file may take, and one more for
_BYTES_A_SECOND = 100_000  # bytes each
_CHUNK = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)
_RETRY_WITH_GET = frozenset((400, 401, 403, 404, 405, 406, 410, 501))  # answers to HEAD: some servers support GET alone
_DENIED = frozenset((401, 402, 403, 407, 451))
_SAFE = "/%:@!$&'()*+,;=-._~?#[]"  # in an address; encoded characters stay as they are


class Web:
    """Files on web servers. `headers` go to `origin` alone, or to every host where it is None. For several threads."""

    def __init__(
        self, allowed: Allowed, hosts: Hosts, *, headers: Mapping[str, str] | None = None, origin: str | None = None
    ) -> None:
        self._allowed = allowed
        self._hosts = hosts
        self._headers = dict(headers or {})
        self._origin = origin

    def find(self, uri: str) -> ListedFile:
        """Return size, time and etag by HEAD, else by GET without the body. Raises MediaError where both fail."""
        for method in ("HEAD", "GET"):
            with self._answer(uri, method, accept=_RETRY_WITH_GET if method == "HEAD" else ()) as answer:
                if answer.status < 300:
                    return _listed(uri, answer)
        raise AssertionError("GET raises")

    def read(self, uri: str, max_bytes: int) -> bytes:
        """Return the bytes of a file; one more than `max_bytes` of a larger one."""

        def fetched() -> bytes:
            with self._answer_once(uri, "GET") as answer:
                return _body(answer, max_bytes)

        return self._hosts.retry(place_of(uri), fetched)

    @contextmanager
    def _answer(self, uri: str, method: str, *, accept: Collection[int] = ()) -> Iterator[http.client.HTTPResponse]:
        with contextlib.ExitStack() as stack:
            yield self._hosts.retry(
                place_of(uri), lambda: stack.enter_context(self._answer_once(uri, method, accept=accept))
            )

    @contextmanager
    def _answer_once(
        self, uri: str, method: str, *, accept: Collection[int] = ()
    ) -> Iterator[http.client.HTTPResponse]:
        """Provide the answer after all redirects. Raises MediaError, or Trouble where a retry may help."""
        for _ in range(_HOPS + 1):
            self._allowed.check(uri)
            connection = Connection(uri, self._allowed)
            try:
                answer = response(connection, method, _target(uri), self._headers_for(uri))
                target = answer.getheader("Location")
                if answer.status not in _REDIRECTS or not target:
                    _judge(answer, accept)
                    yield answer
                    return
                uri = _redirected(uri, target)
            finally:
                connection.close()
        raise MediaError(UNREACHABLE, f"more than {_HOPS} redirects", again=True)

    def _headers_for(self, uri: str) -> dict[str, str]:
        own = self._headers if self._origin in (None, place_of(uri)) else {}
        return {"User-Agent": "embed-assets", "Accept": "*/*", "Accept-Encoding": "identity", **password_of(uri), **own}


def _redirected(uri: str, target: str) -> str:
    """Return the target of a redirect. Raises MediaError where it is no web address."""
    try:
        location = urljoin(uri, target)
    except ValueError as error:
        raise MediaError(NO_ADDRESS, f"a redirect to no address: {error}") from error
    if not location.lower().startswith(("http://", "https://")):
        raise MediaError(OUTSIDE, f"a redirect to {brief(location)}")
    return location


def _judge(answer: http.client.HTTPResponse, accept: Collection[int]) -> None:
    """Raise MediaError or Trouble for an answer other than the file."""
    status = answer.status
    why = f"HTTP {status}"
    if 200 <= status < 300 or status in accept:
        return
    if status in (404, 410):
        raise MediaError("vanished", why, again=True)
    if status in _DENIED:
        raise MediaError("access denied", why, again=True)
    if status in (408, 425, 429) or status >= 500:
        raise Trouble(why, wait=_wait(answer.getheader("Retry-After")) if status in (429, 503) else None)
    raise MediaError(UNREACHABLE, why, again=True)


def _wait(text: str | None) -> float | None:
    """Return the seconds of Retry-After; None where it has none, so that the retry counts."""
    seconds = _seconds(text)
    return seconds if seconds is not None and seconds >= 1 else None


def _seconds(text: str | None) -> float | None:
    """Parse Retry-After: seconds, or a date."""
    if not text:
        return None
    try:
        return float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _body(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Return the bytes, at most one more than `max_bytes`. Raises Trouble where they are truncated or too slow."""
    started, data = time.monotonic(), bytearray()
    with troubles():
        while len(data) <= max_bytes and (chunk := answer.read1(min(_CHUNK, max_bytes + 1 - len(data)))):
            data += chunk
            if time.monotonic() - started > _PATIENCE + len(data) / _BYTES_A_SECOND:
                raise MediaError(UNREACHABLE, "too slow", again=True)
    if len(data) <= max_bytes and answer.length:
        raise Trouble("cut off")
    if answer.getheader("Content-Encoding", "").lower() in ("gzip", "x-gzip"):  # though it was not accepted
        return _unpacked(bytes(data), max_bytes)
    return bytes(data)


def _unpacked(data: bytes, max_bytes: int) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise MediaError(UNREACHABLE, f"broken gzip: {error}", again=True) from error


def _listed(uri: str, answer: http.client.HTTPResponse) -> ListedFile:
    length = (
        "" if answer.getheader("Content-Encoding", "identity") != "identity" else answer.getheader("Content-Length")
    )
    return ListedFile(
        key="",
        uri=uri,
        size=int(length) if length and length.isdecimal() and len(length) < 19 else 0,
        mtime=_moment(answer.getheader("Last-Modified")),
        etag=answer.getheader("ETag", "").strip('"')[:200],
    )


def _moment(text: str | None) -> float:
    try:
        return parsedate_to_datetime(text).timestamp() if text else 0.0
    except (ValueError, OverflowError):
        return 0.0


def password_of(uri: str) -> dict[str, str]:
    """Return the Authorization header for the credentials before the host."""
    user, mark, _ = urlsplit(uri).netloc.rpartition("@")
    if not mark:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"}


def _target(uri: str) -> str:
    parts = urlsplit(uri)
    return quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
