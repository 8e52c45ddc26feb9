"""/facets: how often each value of a column is there, for the filter at hand."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from embed_assets.service.documents import FacetsRequest
from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["search"])
Facets = dict[str, dict[str, Any]]


@router.post("/facets", response_model=Facets, responses=problems(400, 404, 413, 422, 503))
async def facets(body: FacetsRequest, service: Served, caller: Asking) -> Response:
    """Count the values of columns under a filter."""
    options: dict[str, Any] = {"spaces": body.spaces, "where": body.where, "values": body.values}
    return answer(await service.run(service.facets, caller, **options))


@router.get("/facets", response_model=Facets, responses=problems(400, 404, 422, 503))
async def all_facets(
    service: Served,
    caller: Asking,
    space: Annotated[list[str] | None, Query(description="Spaces; unset: all.")] = None,
    values: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> Response:
    """Count the values of columns of everything."""
    return answer(await service.run(service.facets, caller, spaces=space or [], values=values))
