"""/media: the bytes of an item, whole or a range, and its thumbnail."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from embed_assets.errors import MediaError, UnknownNameError
from embed_assets.service.access.api_keys import Caller
from embed_assets.service.answering import Service
from embed_assets.service.media_files import OpenMedia, parse_range
from embed_assets.service.routes.dependencies import Asking, Served, problems
from embed_assets.service.routes.items import MediaId
from embed_assets.service.thumbnails import SIDES

router = APIRouter(tags=["items"])
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_PDF = "default-src 'none'; object-src 'self'; base-uri 'none'"  # browsers show none in a sandbox
_BYTES: dict[str, Any] = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
_WEBP: dict[str, Any] = {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}


@router.api_route(
    "/media/{media_id}",
    methods=["GET"],
    response_class=Response,
    responses={
        200: {**_BYTES, "description": "The whole item."},
        206: {**_BYTES, "description": "The range that was requested."},
        304: {"description": "It is what the caller has."},
        416: {"description": "The range is none, or beyond the end."},
        **problems(400, 404, 422, 503),
    },
)
async def media(media_id: MediaId, request: Request, service: Served, caller: Asking) -> Response:
    """Return an item's bytes; a Range header gets the one range."""
    opened = await service.run(_open, service, caller, media_id)
    headers = _headers(opened)
    if opened.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if request.headers.get("if-range", opened.etag) != opened.etag:
        wanted = None
    try:
        part = parse_range(wanted, opened.size)
    except ValueError:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{opened.size}", "Accept-Ranges": "bytes"})
    start, end = part or (0, opened.size)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{opened.size}"
    status = 200 if part is None else 206
    return StreamingResponse(
        opened.read(start, end), status_code=status, headers=headers, media_type=opened.content_type
    )


@router.head("/media/{media_id}", include_in_schema=False)
async def media_head(media_id: MediaId, request: Request, service: Served, caller: Asking) -> Response:
    """Return the headers of an item's bytes."""
    whole = await media(media_id, request, service, caller)
    return Response(status_code=whole.status_code, headers=dict(whole.headers))


@router.get(
    "/media/{media_id}/thumbnail",
    response_class=Response,
    responses={200: {**_WEBP, "description": "The thumbnail."}, **problems(400, 404, 422, 503)},
)
async def thumbnail(
    media_id: MediaId,
    request: Request,
    service: Served,
    caller: Asking,
    side: Annotated[int, Query(ge=SIDES[0], le=SIDES[1], description="Longest side in pixels.")] = 256,
    at: Annotated[int, Query(ge=0, le=2**40, description="Of a video: the millisecond.")] = 0,
) -> Response:
    """Return a small picture of a picture or video."""
    row, data = await service.run(service.thumbnail, caller, media_id, side=side, milliseconds=at)
    headers = {"Cache-Control": "private, max-age=3600", "ETag": f'"{row["content_hash"][:24]}-{side}-{at}"'}
    return Response(data, headers=headers, media_type="image/webp")


def _open(service: Service, caller: Caller, media_id: str) -> OpenMedia:
    row = service.row(caller, media_id)
    try:
        return service.media.open(row)
    except MediaError as error:
        if error.again:  # it is not there now
            raise UnknownNameError("file of item", media_id, hint=f"It is listed, and {error.reason}.") from error
        raise


def _headers(opened: OpenMedia) -> dict[str, str]:
    shown = "attachment" if opened.download else "inline"
    return {
        "ETag": opened.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(opened.name, safe='', errors='replace')}",
        "Content-Security-Policy": _PDF if opened.content_type == "application/pdf" else _SANDBOX,
    }
