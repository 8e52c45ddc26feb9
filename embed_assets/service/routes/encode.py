"""/encode: vectors of texts and uploads, by what serves a space."""

from fastapi import APIRouter
from fastapi.responses import Response

from embed_assets.service.documents import EncodeDocument, EncodeRequest
from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["encode"])


@router.post("/encode", response_model=EncodeDocument, responses=problems(400, 404, 409, 413, 422, 503))
async def encode(body: EncodeRequest, service: Served, caller: Asking) -> Response:
    """Encode texts and uploads as queries are, together with those of other requests."""
    files = [service.uploads.get(caller.name, digest) for digest in body.uploads]
    return answer(await service.run(service.encode, body, files))
