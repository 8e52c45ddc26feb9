"""/map: the items of a space on the plane of its encoder version."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from embed_assets.service.documents import MapDocument
from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["items"])


@router.get("/map", response_model=MapDocument, responses=problems(400, 404, 422, 503))
async def item_map(
    service: Served, caller: Asking, space: Annotated[str, Query(min_length=1, max_length=200)]
) -> Response:
    """Place the items of what a space serves, or a sample of 10,000: near to each other where they are alike."""
    return answer(await service.run(service.map, caller, space))
