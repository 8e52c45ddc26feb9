"""Connections to hosts whose addresses are resolved and checked before connecting."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit

from embed_assets.errors import MediaError
from embed_assets.media.uris.allowed_prefixes import NO_ADDRESS, Allowed
from embed_assets.media.uris.host_health import Trouble

_TIMEOUT = 10.0  # seconds without a connection, or without a byte
_HEAD = 20.0  # seconds until all headers are received


class Connection(http.client.HTTPConnection):
    """A connection to an address that is resolved and checked before connecting."""

    def __init__(self, uri: str, allowed: Allowed) -> None:
        parts = urlsplit(uri)
        self._secure = parts.scheme.lower() == "https"
        self._allowed = allowed
        self.default_port = 443 if self._secure else 80
        super().__init__(parts.hostname or "", parts.port or self.default_port, timeout=_TIMEOUT)

    def connect(self) -> None:
        """Connect to an address that may be read from."""
        self.sock = connected(self.host, self.port, self._allowed)
        if self._secure:
            self.sock = _context().wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """Close the connection from another thread, which ends reading."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def addresses(host: str, port: int, allowed: Allowed) -> list[str]:
    """Return the allowed addresses of a host. Raises MediaError where there are none, and OSError."""
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
    """Return a connection to the first address that answers. Raises as `addresses`, and OSError."""
    failure: OSError = ConnectionError("no address")
    for address in addresses(host, port, allowed):
        try:
            return socket.create_connection((address, port), timeout=_TIMEOUT)
        except OSError as error:
            failure = error
    raise failure


def response(connection: Connection, method: str, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    """Send a request and return the response with its headers. Raises MediaError, or Trouble."""
    clock = threading.Timer(_HEAD, connection.cut)
    clock.daemon = True
    clock.start()
    try:
        with troubles():
            connection.request(method, target, headers=dict(headers))
            return connection.getresponse()
    finally:
        clock.cancel()


@contextmanager
def troubles() -> Iterator[None]:
    """Raise errors of the network as Trouble."""
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


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
