"""UploadLimit: refuse requests of more than so many bytes, by their length and by counting what arrives."""

from typing import Any

from starlette.exceptions import HTTPException


class UploadLimit:
    """ASGI middleware that answers 413 to a body beyond `max_bytes`, also where its length is not declared."""

    def __init__(self, app: Any, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, and count the bytes that it reads."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await self._refuse(send)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        received, started = 0, False

        async def counting() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise _TooLarge(413, self._message)
            return message

        async def watching(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counting, watching)
        except _TooLarge:  # of an app that does not answer it by itself
            if not started:
                await self._refuse(send)

    @property
    def _message(self) -> str:
        return f"The request has more than {self._max_bytes // 2**20:,} MB, the limit serve.max_upload_mb."

    async def _refuse(self, send: Any) -> None:
        from starlette.responses import JSONResponse

        response = JSONResponse({"detail": self._message}, status_code=413)
        await response({"type": "http"}, _nothing, send)


class _TooLarge(HTTPException):
    """The body is over the limit."""


async def _nothing() -> Any:
    return {"type": "http.disconnect"}
