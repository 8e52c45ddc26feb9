"""Web: files of http and https addresses, asked with patience and within bounds; every hop is allowed, or refused."""

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit

from embed_assets.errors import MediaError
from embed_assets.media.allowed import NO_ADDRESS, OUTSIDE, Allowed
from embed_assets.media.hosts import UNREACHABLE, Hosts, Trouble
from embed_assets.media.item import ListedFile
from embed_assets.media.shown import brief, place_of

_HOPS = 5
_TIMEOUT = 10.0  # seconds without a connection, or without a byte
_HEAD = 20.0  # seconds until all headers are there
_PATIENCE = 60.0  # seconds that a file may take, and one more
_BYTES_A_SECOND = 100_000  # for each of so many bytes
_CHUNK = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)
_ASK_ANOTHER_WAY = frozenset((400, 401, 403, 404, 405, 406, 410, 501))  # to HEAD: some servers know GET alone
_DENIED = frozenset((401, 402, 403, 407, 451))
_SAFE = "/%:@!$&'()*+,;=-._~?#[]"  # of an address; what is encoded stays as it is


class Web:
    """May be used from several threads. `headers` go to `origin` alone, or to every host where it is None."""

    def __init__(
        self, allowed: Allowed, hosts: Hosts, *, headers: Mapping[str, str] | None = None, origin: str | None = None
    ) -> None:
        self._allowed = allowed
        self._hosts = hosts
        self._headers = dict(headers or {})
        self._origin = origin

    def find(self, uri: str) -> ListedFile:
        """Size, time and etag by HEAD, else by GET without the body. Raises MediaError where it can't be had."""
        for method in ("HEAD", "GET"):
            with self._answer(uri, method, accept=_ASK_ANOTHER_WAY if method == "HEAD" else ()) as answer:
                if answer.status < 300:
                    return _listed(uri, answer)
        raise AssertionError("GET raises")

    def read(self, uri: str, max_bytes: int) -> bytes:
        """The bytes of a file; one more than `max_bytes` of a larger one."""

        def fetched() -> bytes:
            with self._answer_once(uri, "GET") as answer:
                return _body(answer, max_bytes)

        return self._hosts.patiently(place_of(uri), fetched)

    @contextmanager
    def _answer(self, uri: str, method: str, *, accept: Collection[int] = ()) -> Iterator[http.client.HTTPResponse]:
        with contextlib.ExitStack() as stack:
            yield self._hosts.patiently(
                place_of(uri), lambda: stack.enter_context(self._answer_once(uri, method, accept=accept))
            )

    @contextmanager
    def _answer_once(
        self, uri: str, method: str, *, accept: Collection[int] = ()
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer at the end of all redirects. Raises MediaError, or Trouble where asking again may help."""
        for _ in range(_HOPS + 1):
            self._allowed.check(uri)
            connection = _Connection(uri, self._allowed)
            try:
                answer = _asked(connection, method, _target(uri), self._headers_for(uri))
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


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was looked up, looked at, and only then connected to."""

    def __init__(self, uri: str, allowed: Allowed) -> None:
        parts = urlsplit(uri)
        self._secure = parts.scheme.lower() == "https"
        self._allowed = allowed
        self.default_port = 443 if self._secure else 80
        super().__init__(parts.hostname or "", parts.port or self.default_port, timeout=_TIMEOUT)

    def connect(self) -> None:
        self.sock = connected(self.host, self.port, self._allowed)
        if self._secure:
            self.sock = _context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End it from another thread: who reads from it gets no more."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def addresses(host: str, port: int, allowed: Allowed) -> list[str]:
    """The addresses of a host that may be read from. Raises MediaError where there is none, OSError of the look-up."""
    refused: MediaError | None = None
    found: list[str] = []
    for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            allowed.check_address(str(where[0]), host)
            found.append(str(where[0]))
        except MediaError as error:
            refused = error
    if not found and refused is not None:
        raise refused
    return found


def connected(host: str, port: int, allowed: Allowed) -> socket.socket:
    """A connection to the first address that answers. Raises as `addresses`, and OSError."""
    failure: OSError = ConnectionError("no address")
    for address in addresses(host, port, allowed):
        try:
            return socket.create_connection((address, port), timeout=_TIMEOUT)
        except OSError as error:
            failure = error
    raise failure


def _asked(connection: _Connection, method: str, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    clock = threading.Timer(_HEAD, connection.cut)
    clock.daemon = True
    clock.start()
    try:
        with _troubles():
            connection.request(method, target, headers=dict(headers))
            return connection.getresponse()
    finally:
        clock.cancel()


@contextmanager
def _troubles() -> Iterator[None]:
    """What goes wrong between here and a host as Trouble."""
    try:
        yield
    except UnicodeError as error:  # of a host's name
        raise MediaError(NO_ADDRESS, str(error)) from error
    except socket.gaierror as error:
        raise Trouble("name not resolved", silent=True) from error
    except TimeoutError as error:
        raise Trouble("timed out", silent=True) from error
    except ssl.SSLError as error:
        raise Trouble(
            f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}", silent=True
        ) from error
    except http.client.HTTPException as error:
        raise Trouble("no answer in HTTP", silent=True) from error
    except OSError as error:
        raise Trouble((error.strerror or type(error).__name__).lower(), silent=True) from error


def _redirected(uri: str, target: str) -> str:
    """Where a redirect leads. Raises MediaError where that is no address of the web."""
    try:
        found = urljoin(uri, target)
    except ValueError as error:
        raise MediaError(NO_ADDRESS, f"a redirect to no address: {error}") from error
    if not found.lower().startswith(("http://", "https://")):
        raise MediaError(OUTSIDE, f"a redirect to {brief(found)}")
    return found


def _judge(answer: http.client.HTTPResponse, accept: Collection[int]) -> None:
    """Raises MediaError, or Trouble, for an answer that is not the file."""
    status = answer.status
    why = f"HTTP {status}"
    if 200 <= status < 300 or status in accept:
        return
    if status in (404, 410):
        raise MediaError("vanished", why, again=True)
    if status in _DENIED:
        raise MediaError("access denied", why, again=True)
    if status in (408, 425, 429) or status >= 500:
        raise Trouble(why, wait=_seconds(answer.getheader("Retry-After")) if status in (429, 503) else None)
    raise MediaError(UNREACHABLE, why, again=True)


def _seconds(text: str | None) -> float | None:
    """What Retry-After says: seconds, or a moment."""
    if not text:
        return None
    try:
        return float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _body(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """The bytes, one more than `max_bytes` at most. Raises Trouble where they are cut off or come too slowly."""
    started, data = time.monotonic(), bytearray()
    with _troubles():
        while len(data) <= max_bytes and (chunk := answer.read1(min(_CHUNK, max_bytes + 1 - len(data)))):
            data += chunk
            if time.monotonic() - started > _PATIENCE + len(data) / _BYTES_A_SECOND:
                raise MediaError(UNREACHABLE, "too slow", again=True)
    if len(data) <= max_bytes and answer.length:
        raise Trouble("cut off")
    if answer.getheader("Content-Encoding", "").lower() in ("gzip", "x-gzip"):  # though it was not asked for
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
    """The header that says what stands before the host."""
    user, mark, _ = urlsplit(uri).netloc.rpartition("@")
    if not mark:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"}


def _target(uri: str) -> str:
    parts = urlsplit(uri)
    return quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
