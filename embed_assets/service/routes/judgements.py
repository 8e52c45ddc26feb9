"""/judgements: good and bad marks on results, kept as a query set of the space."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from embed_assets.service.documents import JudgementRequest
from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["judgements"])


@router.post("/judgements", response_model=dict[str, Any], responses=problems(400, 403, 404, 413, 422, 503))
async def judge(body: JudgementRequest, service: Served, caller: Asking) -> Response:
    """Mark an item as a good or a bad result of a query; returns the query's line of the query set."""
    if not service.settings.judgements or not caller.write:
        raise HTTPException(403, "Judgements need a key with write: true, and serve.judgements.")
    return answer(await service.run(service.judge, caller, body))
