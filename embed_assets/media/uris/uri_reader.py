"""UriFiles: files by URI or path, each opened in the bucket, on the host or in the folder that it is in."""

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

Found = TypeVar("Found")


class UriFiles:
    """Files that may be named: below `below`, to which relative paths belong, and below the prefixes of `allow`.

    May be used from several threads. What a host or bucket does is no fault of the source: all that is raised of it is
    MediaError, "unreachable" where it can't be told whether a file is there. A host that is down is not asked again,
    nor by others who are given the same `hosts`.
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
        self._shown = redacted_source(below).uri if below else ""  # what goes into the manifest has no credentials
        self._options = dict(storage_options or {})
        self._allowed = Allowed(self._shown if below else None, allow)
        self._folders = [os.path.realpath(folder) for folder in self._allowed.folders]
        self._follow_links = follow_links
        self._cache = cache
        self._hosts = hosts or Hosts()
        self._opened: dict[str, Source] = {}
        self._lock = threading.Lock()

    def absolute(self, place: str) -> str:
        """The address of what a row names. Raises MediaError where that is none, or may not be read."""
        check_form(place)
        uri = place if "://" in place else self._path(place)
        self._allowed.check(uri)
        return uri

    def find(self, uri: str) -> ListedFile:
        """Size, time and etag of a file. Raises MediaError where it is not there, or can't be asked for."""
        if _is_web(uri):
            return self._web(uri).find(uri)
        return self._asked(uri, look_up)

    def read(self, uri: str, max_bytes: int, *, known_hash: str = "") -> bytes:
        """Its bytes. Raises MediaError as `Source.read`, for all that concerns its host as well."""
        self._allowed.check(uri)
        if not _is_web(uri):
            return self._asked(uri, lambda source, key: source.read(key, max_bytes, known_hash=known_hash))
        data = self._fetched(uri, max_bytes, known_hash)
        if len(data) > max_bytes:
            raise MediaError("too large", f"more than {max_bytes:,} bytes, the limit max_bytes")
        return data

    def stop(self) -> None:
        """Wait for no host any more."""
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
        """With the headers of the storage options, and for files below the source with the password of its uri."""
        from embed_assets.media.uris.http_files import Web, password_of

        own = self._below is not None and uri.startswith(f"{self._shown}/")
        options = self._options_for(uri)
        headers = {**(options.get("client_kwargs") or {}).get("headers", {}), **options.get("headers", {})}
        if own and self._below is not None:
            headers = {**password_of(self._below), **headers}
        origin = place_of(self._shown) if self._below is not None and _is_web(self._below) else None
        return Web(self._allowed, self._hosts, headers=headers, origin=origin)

    def _asked(self, uri: str, ask: Callable[[Source, str], Found]) -> Found:
        if is_local_file(uri):
            return ask(*self._local(uri))
        place = place_of(uri)

        def asked() -> Found:
            try:
                self._check_host(uri)
                return ask(*self._remote(uri))
            except SourceError as error:  # fsspec has tried more than once
                told = brief(str(error))
                raise Trouble(told, silent="Connect" in told or "Timeout" in told) from None
            except MediaError as error:
                if error.reason != "vanished" or not split_chain(uri)[0]:
                    raise
                # fsspec says so of a host that is down, too.
                raise MediaError(UNREACHABLE, "not there, or no answer", again=True) from None

        return self._hosts.patiently(place, asked, tries=1)

    def _local(self, uri: str) -> tuple[Source, str]:
        """A local file where it really is. Raises MediaError where links lead to it that may not be followed."""
        path = on_disk(f"/{uri.removeprefix('file://').lstrip('/')}")
        real = os.path.realpath(path)
        if self._follow_links:
            return Source(uri="", root="", follow_links=True), path.lstrip("/")
        if not any(is_below(real, folder) for folder in self._folders):
            raise MediaError(LINK_OUT, f"{brief(path)} is a link out of the source, and its follow_links is not set")
        return Source(uri="", root="", follow_links=True), real.lstrip("/")

    def _remote(self, uri: str) -> tuple[Source, str]:
        """The bucket or file system that an address is in, opened once, and the key in it."""
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
        """The storage options, which are those of the source's own protocol: no other gets its secrets."""
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
    """For aiohttp: a redirect within a chained address, whose target nobody looks at, is refused."""
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
