"""UriFiles: files by URI or path, read from their bucket, host or folder."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.files.download_cache import MediaCache
from embed_assets.media.files.listing import look_up
from embed_assets.media.files.redacted_uri import brief, place_of
from embed_assets.media.files.source import LINK_OUT, Source, is_below, is_local, open_source, redacted_source
from embed_assets.media.files.unicode_names import on_disk
from embed_assets.media.media_types import ListedFile
from embed_assets.media.uris.allowed_prefixes import OUTSIDE, Allowed, check_form, host_of, is_local_file, split_chain
from embed_assets.media.uris.host_health import UNREACHABLE, Hosts, Trouble

if TYPE_CHECKING:  # definitions load no HTTP client
    from embed_assets.media.uris.http_files import Web

Result = TypeVar("Result")


class UriFiles:
    """Files below `below`, to which relative paths belong, and below the prefixes of `allow`.

    May be used from several threads. A host's or bucket's faults are not the source's: they raise MediaError,
    "unreachable" where it is unknown whether a file exists. A host that is down gets no further requests, neither from
    other objects with the same `hosts`.
    """

    def __init__(
        self,
        below: str | None,
        storage_options: Mapping[str, Any] | None = None,
        *,
        allow: Iterable[str] = (),
        follow_links: bool = False,
        cache: MediaCache | None = None,
        hosts: Hosts | None = None,
    ) -> None:
        self._below = below = _absolute(below)
        self._shown = redacted_source(below).uri if below else ""  # without credentials, for the manifest
        self._options = dict(storage_options or {})
        self._allowed = Allowed(self._shown if below else None, allow)
        self._folders = [os.path.realpath(folder) for folder in self._allowed.folders]
        self._follow_links = follow_links
        self._cache = cache
        self._hosts = hosts or Hosts()
        self._opened: dict[str, Source] = {}
        self._lock = threading.Lock()

    def absolute(self, place: str) -> str:
        """Return the absolute address of a row's file. Raises MediaError where it is invalid, or may not be read."""
        check_form(place)
        uri = place if "://" in place else self._path(place)
        self._allowed.check(uri)
        return uri

    def find(self, uri: str) -> ListedFile:
        """Return size, time and etag of a file. Raises MediaError where it is missing or unreachable."""
        if _is_web(uri):
            return self._web(uri).find(uri)
        return self._request(uri, look_up)

    def read(self, uri: str, max_bytes: int, *, known_hash: str = "") -> bytes:
        """Return a file's bytes. Raises MediaError as `Source.read`, also for faults of its host."""
        self._allowed.check(uri)
        if not _is_web(uri):
            return self._request(uri, lambda source, key: source.read(key, max_bytes, known_hash=known_hash))
        data = self._fetched(uri, max_bytes, known_hash)
        if len(data) > max_bytes:
            raise MediaError("too large", f"more than {max_bytes:,} bytes, the limit max_bytes")
        return data

    def stop(self) -> None:
        """Stop waiting for hosts."""
        self._hosts.stop()

    def _path(self, place: str) -> str:
        if place.startswith("/"):
            return os.path.normpath(f"/{place.lstrip('/')}")
        if self._below is None:
            raise MediaError("relative path", f"{brief(place)}: the source has no uri that it could be below")
        if ".." in place.split("/"):
            raise MediaError(OUTSIDE, f"{brief(place)} leads out of the source")
        return f"{self._shown}/{place.removeprefix('./')}"

    def _fetched(self, uri: str, max_bytes: int, known_hash: str) -> bytes:
        web = self._web(uri)
        if self._cache is None:
            return web.read(uri, max_bytes)
        return self._cache.through(lambda: web.read(uri, max_bytes), known_hash, max_bytes=max_bytes)

    def _web(self, uri: str) -> "Web":
        """Return a reader with the headers of the storage options, and below the source with its uri's password."""
        from embed_assets.media.uris.http_files import Web, password_of

        own = self._below is not None and uri.startswith(f"{self._shown}/")
        options = self._options_for(uri)
        headers = {**(options.get("client_kwargs") or {}).get("headers", {}), **options.get("headers", {})}
        if own and self._below is not None:
            headers = {**password_of(self._below), **headers}
        origin = place_of(self._shown) if self._below is not None and _is_web(self._below) else None
        return Web(self._allowed, self._hosts, headers=headers, origin=origin)

    def _request(self, uri: str, operation: Callable[[Source, str], Result]) -> Result:
        if is_local_file(uri):
            return operation(*self._local(uri))
        place = place_of(uri)

        def request() -> Result:
            try:
                self._check_host(uri)
                return operation(*self._remote(uri))
            except SourceError as error:  # after fsspec's own retries
                message = brief(str(error))
                raise Trouble(message, silent="Connect" in message or "Timeout" in message) from None
            except MediaError as error:
                if error.reason != "vanished" or not split_chain(uri)[0]:
                    raise
                # fsspec reports a host that is down in the same way.
                raise MediaError(UNREACHABLE, "missing, or no answer", again=True) from None

        return self._hosts.retry(place, request, tries=1)

    def _local(self, uri: str) -> tuple[Source, str]:
        """Return a local file by its real path. Raises MediaError for links that may not be followed."""
        path = on_disk(f"/{uri.removeprefix('file://').lstrip('/')}")
        real = os.path.realpath(path)
        if self._follow_links:
            return Source(uri="", root="", follow_links=True), path.lstrip("/")
        if not any(is_below(real, folder) for folder in self._folders):
            raise MediaError(LINK_OUT, f"{brief(path)} is a link out of the source, and its follow_links is not set")
        return Source(uri="", root="", follow_links=True), real.lstrip("/")

    def _remote(self, uri: str) -> tuple[Source, str]:
        """Return the bucket or file system of an address, opened once, and the key in it."""
        if self._below is not None and uri.startswith(f"{self._shown}/"):
            root, key = self._below, uri.removeprefix(f"{self._shown}/")
        elif split_chain(uri)[0]:
            return self._chained(uri)
        else:
            scheme, _, rest = uri.partition("://")
            bucket, _, key = rest.partition("/")
            root = f"{scheme}://{bucket}"
        with self._lock:
            if root not in self._opened:
                self._opened[root] = open_source(root, self._options_for(uri), cache=self._cache)
            return self._opened[root], key

    def _chained(self, uri: str) -> tuple[Source, str]:
        scheme = split_chain(uri)[1].partition("://")[0].lower()
        options = {scheme: {"client_kwargs": {"trace_configs": _no_redirects()}}} if scheme.startswith("http") else {}
        source = open_source(uri, options, cache=self._cache)
        folder, _, key = source.root.rpartition("/")
        return replace(source, root=folder), key

    def _options_for(self, uri: str) -> dict[str, Any]:
        """Return the storage options for the source's own protocol: other protocols must not get its secrets."""
        own = self._below
        return self._options if own is None or is_local(own) or _scheme(own) == _scheme(uri) else {}

    def _check_host(self, uri: str) -> None:
        from embed_assets.media.uris.http_connections import addresses

        host = host_of(uri)
        if host is None:
            return
        try:
            addresses(host, 0, self._allowed)
        except OSError as error:
            raise Trouble("name not resolved", silent=True) from error


def _absolute(below: str | None) -> str | None:
    if below is None or not is_local(below):
        return below
    scheme = "file://" if below.startswith("file://") else ""
    return f"{scheme}{Path(below.removeprefix('file://')).expanduser().absolute()}"


@lru_cache(maxsize=1)
def _no_redirects() -> list[Any]:
    """Return aiohttp's configuration that refuses redirects of chained addresses, whose target is not checked."""
    import aiohttp

    async def refuse(session: Any, context: Any, params: Any) -> None:
        raise MediaError(OUTSIDE, "it is redirected, which chained addresses may not be")

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return [config]


def _is_web(uri: str) -> bool:
    return uri.lower().startswith(("http://", "https://"))


def _scheme(uri: str) -> str:
    return uri.partition("://")[0].lower()
