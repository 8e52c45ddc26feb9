"""/spaces: what each space serves, how good it was found, what waits."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["search"])


@router.get("/spaces", response_model=dict[str, Any], responses=problems(400, 503))
async def spaces(service: Served, caller: Asking) -> Response:
    """Describe the spaces, and the limits of requests."""
    return answer(await service.run(service.spaces, caller))
