"""/items: how an item was cut, its versions, hashes and history, or why it was quarantined."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response

from embed_assets.pipeline.item_details import ItemDetails
from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["items"])
MediaId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,80}$", description="The item's id, as hits have it.")]


@router.get("/items/{media_id}", response_model=ItemDetails, responses=problems(400, 404, 422, 503))
async def item(media_id: MediaId, service: Served, caller: Asking) -> Response:
    """Describe an item."""
    document: dict[str, Any] = await service.run(service.item, caller, media_id)
    return answer(document)
