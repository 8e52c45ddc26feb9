"""/items: how an item was cut, its versions, hashes and history, or why it was quarantined."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from embed_assets.service.documents import ItemDocument
from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["items"])
MediaId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,80}$", description="The item's id, as hits have it.")]


@router.get("/items/{media_id}", response_model=ItemDocument, responses=problems(400, 404, 422, 503))
async def item(
    media_id: MediaId,
    service: Served,
    caller: Asking,
    neighbours: Annotated[int, Query(ge=0, le=50, description="How many of the nearest items to add.")] = 0,
) -> Response:
    """Describe an item."""
    document: dict[str, Any] = await service.run(service.item, caller, media_id, neighbours=neighbours)
    return answer(document)
