"""API keys: who asks, which items exist for them, and which requests are refused before they are read."""

import hashlib
import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from embed_assets.errors import SettingsError
from embed_assets.search.filters import FilterTree, parse_filter
from embed_assets.settings import ApiKeySettings, ServeSettings

COOKIE = "embed_assets_key"  # of the page: a browser sends no header with a picture's address
HEADER = "X-API-Key"
_CALLER = "embed_assets.caller"  # in the request's scope
_SHORTEST = 16  # characters of a key
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Caller:
    """Who asks: the name of their key, the filter that always holds for them, and whether they may judge."""

    name: str
    must: FilterTree | None = None
    write: bool = False


ANYBODY = Caller("", write=True)  # on this machine, where no key is set


class ApiKeys:
    """The keys of a service."""

    def __init__(self, callers: Mapping[bytes, Caller]) -> None:
        """Take callers by the sha256 of their keys."""
        self._callers = dict(callers)

    def __bool__(self) -> bool:
        """Whether there are keys; without, everybody on this machine is answered."""
        return bool(self._callers)

    def caller(self, key: str) -> Caller | None:
        """Return the holder of a key, or None; takes the same time for every wrong key."""
        digest = _digest(key)
        found = [caller for known, caller in self._callers.items() if secrets.compare_digest(known, digest)]
        return found[0] if found else None


def read_api_keys(settings: ServeSettings) -> ApiKeys:
    """Read the keys of the settings.

    Raises SettingsError where one is absent, short or there twice, where its filter is none, and where the service
    would listen beyond this machine without a key.
    """
    callers: dict[bytes, Caller] = {}
    for name, each in settings.api_keys.items():
        place = f"serve.api_keys.{name}"
        digest = _digest(_read_key(place, each))
        if digest in callers:
            raise SettingsError(f"{place}: the key is that of {callers[digest].name!r}. Give each its own.")
        callers[digest] = Caller(name, _filter(place, each), each.write)
    if not callers and settings.host not in _LOOPBACK:
        raise SettingsError(
            f"serve.host is {settings.host}, which others can reach, and no key is set. Set "
            "serve.api_keys.NAME.key_env and that variable, or listen at 127.0.0.1."
        )
    return ApiKeys(callers)


def _read_key(place: str, settings: ApiKeySettings) -> str:
    key = settings.key
    if settings.key_env is not None:
        key = os.environ.get(settings.key_env)
        place = f"{place}.key_env: variable {settings.key_env}"
    elif settings.key_file is not None:
        place = f"{place}.key_file: {settings.key_file}"
        try:
            key = Path(settings.key_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{place} can't be read: {getattr(error, 'strerror', error)}.") from error
    if not key:
        raise SettingsError(
            f"{place} has no key. Set key_env or key_file: a key in the settings is not kept in the store, so that "
            "only --settings FILE knows it."
        )
    if len(key) < _SHORTEST:
        raise SettingsError(f"{place}: the key has {len(key)} characters; make one of at least {_SHORTEST}.")
    return key


def _filter(place: str, settings: ApiKeySettings) -> FilterTree | None:
    if settings.filter is None:
        return None
    try:
        return parse_filter(settings.filter)
    except SettingsError as error:
        raise SettingsError(f"{place}.filter: {error}") from error


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return who sent a request that `KeyCheck` let through."""
    return scope[_CALLER]


class KeyCheck:
    """ASGI middleware: every path but the open ones needs a key, where there are any.

    Without keys only requests for this machine by name are answered, so that no web page that a person opens can read
    the index by a name of its own; and none from another site may write.
    """

    def __init__(self, app: Any, *, keys: ApiKeys, open_paths: Collection[str], hosts: Collection[str]) -> None:
        """Take paths that need no key, and names of this machine beside those of the loopback."""
        self._app = app
        self._keys = keys
        self._open_paths = frozenset(open_paths)
        self._hosts = frozenset((*_LOOPBACK, *hosts))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on with its caller, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status, message, caller = self._judge(scope, headers)
        if caller is None:
            await _refuse(send, status, message)
            return
        scope[_CALLER] = caller
        await self._app(scope, receive, send)

    def _judge(self, scope: Any, headers: Mapping[str, str]) -> tuple[int, str, Caller | None]:
        writes = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if writes and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "Requests of other sites are refused.", None
        if not self._keys:
            host = _host(headers.get("host", ""))
            if host not in self._hosts:
                return 400, f"The service does not answer to the name {host[:80]!r}. Set serve.url, or keys.", None
            return 200, "", ANYBODY
        caller = self._keys.caller(_key(headers))
        if caller is None and scope["path"] in self._open_paths:
            caller = Caller("", None, False)
        return 401, f"A key is needed: send it as {HEADER}, or as Authorization: Bearer KEY.", caller


def _key(headers: Mapping[str, str]) -> str:
    if key := headers.get(HEADER.lower()):
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _host(header: str) -> str:
    """Return the name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


async def _refuse(send: Any, status: int, message: str) -> None:
    from starlette.responses import JSONResponse

    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    response = JSONResponse({"detail": message}, status_code=status, headers=headers)
    await response({"type": "http"}, _nothing, send)


async def _nothing() -> Any:
    return {"type": "http.disconnect"}
