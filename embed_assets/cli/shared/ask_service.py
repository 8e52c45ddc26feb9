"""A query answered by the service that runs on a store, whose encoders are loaded; None where none can."""

import http.client
import json
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

from embed_assets.errors import SettingsError
from embed_assets.service.running_service import RunningService, running_service

KEY = "EMBED_ASSETS_API_KEY"
_SECONDS = 60.0  # of an answer
_READY_SECONDS = 1.0


def ask_service(store: str, query: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Return the answer's document of the service on a local store; None where none runs, is ready or has a key.

    `query` is JSON-able; its parts name `files`. Raises SettingsError with the service's message where it refuses.
    """
    service = running_service(store)
    if service is None or (service.needs_key and not os.environ.get(KEY)):
        return None
    try:
        _send(urllib.request.Request(f"{service.url}/health"), service, seconds=_READY_SECONDS)
        document = _send(_request(service, query, files), service, seconds=_SECONDS)
        return document if isinstance(document, dict) and "hits" in document else None
    except urllib.error.HTTPError as error:
        if error.code in (401, 404, 429, 503):  # another key, a service of an older release, or a busy one
            return None
        raise SettingsError(_detail(error)) from error
    except (OSError, ValueError, http.client.HTTPException):  # gone, or its port is another program's by now
        return None


def _request(service: RunningService, query: Mapping[str, Any], files: Mapping[str, bytes]) -> urllib.request.Request:
    if not files:
        return urllib.request.Request(
            f"{service.url}/search", data=json.dumps(query).encode(), headers={"Content-Type": "application/json"}
        )
    boundary = uuid.uuid4().hex
    head = 'Content-Disposition: form-data; name="{}"'
    parts = [f"--{boundary}\r\n{head.format('query')}\r\n\r\n{json.dumps(query)}\r\n".encode()]
    for name, data in files.items():
        named = f'{head.format(name)}; filename="{name}"\r\nContent-Type: application/octet-stream'
        parts += [f"--{boundary}\r\n{named}\r\n\r\n".encode(), data, b"\r\n"]
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    kind = f"multipart/form-data; boundary={boundary}"
    return urllib.request.Request(f"{service.url}/search", data=body, headers={"Content-Type": kind})


def _send(request: urllib.request.Request, service: RunningService, *, seconds: float) -> Any:
    if service.needs_key:
        request.add_header("X-API-Key", os.environ[KEY])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    with opener.open(request, timeout=seconds) as response:
        return json.load(response)


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The service at {error.url} answers {error.code}."
