"""What routes depend on: the service, who asks, and the errors that every route may answer."""

import json
import math
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from embed_assets.service.access.api_keys import Caller, caller_of
from embed_assets.service.answering import Service

_PROBLEMS = {
    400: "The request can't be read.",
    403: "This key may not do that.",
    404: "There is no such space or item, or none for this key.",
    409: "A vector is of another encoder version than the one that serves.",
    413: "The request is larger than serve.max_upload_mb.",
    415: "The body is of another kind than the route takes.",
    422: "A value is wrong; the message names it.",
    503: "Too much is requested at once, or the service is not ready; Retry-After says when to ask again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document error responses of a route."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"content": content, "description": _PROBLEMS[status]} for status in statuses}


def _service(request: Request) -> Service:
    return request.app.state.service


def _caller(request: Request) -> Caller:
    return caller_of(request.scope)


Served = Annotated[Service, Depends(_service)]
Asking = Annotated[Caller, Depends(_caller)]


def answer(document: Any, *, status: int = 200) -> Response:
    """Return JSON; numbers that are none in JSON become null."""
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        data = text.encode()
    except (ValueError, UnicodeEncodeError):
        text = json.dumps(_finite(document), ensure_ascii=True, separators=(",", ":"))
        data = text.encode()
    return Response(data, status_code=status, media_type="application/json")


def require_kind(request: Request, *kinds: str) -> str:
    """Return the kind of the body. Raises HTTPException 415 for another."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise HTTPException(415, f"The body is {kind or 'of no kind'}; send {' or '.join(kinds)}.")
    return kind


async def form_files(request: Request, *, most: int) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the fields and the files of a multipart body. Raises HTTPException 400 where it is none."""
    from python_multipart.exceptions import MultipartParseError

    try:
        form = await request.form(max_files=most, max_fields=4, max_part_size=2**20)
    except (MultipartParseError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise HTTPException(400, "The multipart body can't be read.") from error
    fields, files = dict[str, str](), dict[str, bytes]()
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields[name] = value
        else:
            files[name] = await value.read()
    await form.close()
    return fields, files


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
