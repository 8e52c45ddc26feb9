"""/health and /metrics: whether the service is ready, and its figures."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from embed_assets.service.routes.dependencies import Asking, Served, answer, problems

router = APIRouter(tags=["service"])
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/health", response_model=dict[str, str], responses=problems(400, 503))
async def health(service: Served) -> Response:
    """Return 200 once encoders and tables of what serves are warm, 503 before."""
    if problem := service.warm_up.problem:
        raise HTTPException(503, f"Not ready: {problem}.", headers={"Retry-After": "2"})
    return answer({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse, responses=problems(400, 403))
async def metrics(service: Served, caller: Asking) -> Response:
    """Return figures for Prometheus."""
    if caller.must is not None:
        raise HTTPException(403, "The figures are of all tenants: they need a key without a filter.")
    for space, count in (service.freshness.stale() or {}).items():
        service.metrics.stale.labels(space).set(count)
    return Response(service.metrics.text(), media_type=_TEXT)
