"""/session: the key as a cookie, for the page: a browser sends no header with the address of a picture."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from embed_assets.service.access.api_keys import COOKIE, HEADER
from embed_assets.service.routes.dependencies import Asking, Served, problems

router = APIRouter(tags=["service"])


@router.post("/session", status_code=204, response_class=Response, responses=problems(400))
async def begin(request: Request, service: Served, caller: Asking) -> Response:
    """Keep the key of this request's X-API-Key as a cookie that no script reads and no other site sends."""
    response = Response(status_code=204)
    if service.keys and (key := request.headers.get(HEADER)):
        secure = request.url.scheme == "https" or (service.settings.url or "").startswith("https://")
        response.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=secure)
    return response


@router.delete("/session", status_code=204, response_class=Response, responses=problems(400))
async def end(service: Served) -> Response:
    """Forget the cookie."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE)
    return response
