"""ResponseHeaders: headers that keep a browser from running, guessing or sharing anything; and figures of requests."""

import time
from typing import Any

from embed_assets.service.metrics import Metrics

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_POLICY = b"content-security-policy"
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class ResponseHeaders:
    """ASGI middleware around all others."""

    def __init__(self, app: Any, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on; add headers to its answer, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def with_headers(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                if all(name.lower() != _POLICY for name, _ in headers):
                    headers.append((_POLICY, _API_POLICY.encode()))
                message = {**message, "headers": [*headers, *_ALWAYS]}
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(_method(scope), route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - began)


def _method(scope: Any) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
    return scope["method"] if scope["method"] in known else "other"


def _route(scope: Any) -> str:
    """Return the route's own path, with names for its values: there are few of these."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else "other"
