"""UploadLimit: bounds on the bytes of a request, and of all requests together, by counting what arrives."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

_AT_ONCE = 8  # bodies of the largest size that are in memory together


class UploadLimit:
    """ASGI middleware that answers 413 to a body beyond `max_bytes`, also where its length is not declared.

    Where the bodies of all requests together take too much memory, the next one is answered 503.
    """

    def __init__(self, app: Any, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._held = 0  # bytes of all requests

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, and count the bytes that it reads."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await _refuse(self._too_large(), send)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        received, started = 0, False

        async def counting() -> Any:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            self._held += size
            if received > self._max_bytes:
                raise self._too_large()
            if self._held > _AT_ONCE * self._max_bytes:
                raise _Refusal(503, "The service has as many uploads as it takes at once.", {"Retry-After": "2"})
            return message

        async def watching(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counting, watching)
        except _Refusal as refusal:  # of an app that does not answer it by itself
            if not started:
                await _refuse(refusal, send)
        finally:
            self._held -= received

    def _too_large(self) -> "_Refusal":
        return _Refusal(413, f"The request has more than {self._max_bytes // 2**20:,} MB (serve.max_upload_mb).")


class _Refusal(HTTPException):
    """The body is over a limit."""


async def _refuse(refusal: _Refusal, send: Any) -> None:
    response = JSONResponse({"detail": refusal.detail}, status_code=refusal.status_code, headers=refusal.headers)
    await response({"type": "http"}, _nothing, send)


async def _nothing() -> Any:
    return {"type": "http.disconnect"}
