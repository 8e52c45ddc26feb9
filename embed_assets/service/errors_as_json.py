"""Errors as JSON: one message a fault, without a path of the machine that the service runs on."""

import logging
import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from embed_assets.errors import (
    EmbedAssetsError,
    EncoderOutputError,
    EncoderVersionError,
    MediaError,
    NotFoundError,
    OverloadedError,
    SettingsError,
)

_log = logging.getLogger(__name__)
_LATER = "The service can't answer this at the moment; its log has the reason. Try again later."
_INTERNAL = "The service failed on this; its log has the reason."
_STATUS: dict[type[EmbedAssetsError], int] = {
    NotFoundError: 404,
    EncoderVersionError: 409,
    SettingsError: 422,
    MediaError: 422,
    EncoderOutputError: 422,
    OverloadedError: 503,
}
_PATH = re.compile(r"(?<![\w:/.])(?:[a-z][a-z0-9+]*://[^\s'\"]+|/(?:[^\s'\"/,:;]+/)+[^\s'\",:;]*)")
_MOST = 2000  # characters of a message


def answer_errors(app: FastAPI) -> None:
    """Answer every error with {"detail": MESSAGE} and the status that fits."""
    app.add_exception_handler(EmbedAssetsError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def public_message(error: Exception) -> str:
    """Return an error's message without places of this machine; of one that is not a request's fault no details."""
    if isinstance(error, ValidationError | RequestValidationError):
        return "; ".join(_problem(each) for each in error.errors()[:5])[:_MOST]
    if isinstance(error, EmbedAssetsError):
        return without_paths(str(error))[:_MOST] if _status(error) is not None else _LATER
    return _INTERNAL


def without_paths(text: str) -> str:
    """Return a text with `…` for each absolute path and address in it."""
    return _PATH.sub("…", text)


def _status(error: EmbedAssetsError) -> int | None:
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), None)


def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, EmbedAssetsError)
    status, headers = _status(error), {}
    if status is None:
        _log.warning("%s: %s", request.url.path, error)
        status, headers = 503, {"Retry-After": "5"}
    if isinstance(error, OverloadedError):
        headers = {"Retry-After": str(max(1, round(error.seconds)))}
    return JSONResponse({"detail": public_message(error)}, status_code=status, headers=headers)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": public_message(error)}, status_code=422)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": str(error.detail)}, status_code=error.status_code, headers=error.headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s failed", request.url.path, exc_info=error)
    return JSONResponse({"detail": _INTERNAL}, status_code=500)


def _problem(problem: Any) -> str:
    place = _place(problem.get("loc", ()))
    message = str(problem.get("msg", "is not valid")).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _place(location: Sequence[Any]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path")]
    return ".".join(parts)[:200]
