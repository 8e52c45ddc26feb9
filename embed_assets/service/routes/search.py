"""/search: a query in parts, as JSON or with files, or in words alone."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as Parameter
from fastapi.responses import Response

from embed_assets.errors import SettingsError
from embed_assets.search.query import Mode, Query, QueryPart
from embed_assets.service.documents import AnswerDocument
from embed_assets.service.routes.dependencies import Asking, Served, answer, form_files, problems, require_kind

router = APIRouter(tags=["search"])
_JSON, _FORM = "application/json", "multipart/form-data"
_EXAMPLES: dict[str, Any] = {
    "words": {"value": {"parts": [{"text": "red car at night"}], "k": 10}},
    "minus and filter": {
        "value": {
            "parts": [{"text": "beach"}, {"text": "people", "weight": -0.5}],
            "where": {"and": [{"label": {"in": ["sea", "sand"]}}, {"price": {"lt": 20}}]},
        }
    },
    "more like an item": {"value": {"parts": [{"item": "photos/a.jpg"}, {"text": "dusk"}], "mode": "hybrid"}},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": {"$ref": "#/components/schemas/Query"}, "examples": _EXAMPLES},
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["query"],
                    "properties": {
                        "query": {"type": "string", "description": "The JSON of a query; its parts name files."},
                        "file": {"type": "string", "format": "binary", "description": "A file, by any name."},
                    },
                }
            },
        },
    }
}


@router.post(
    "/search",
    response_model=AnswerDocument,
    openapi_extra=_BODY,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
)
async def search(request: Request, service: Served, caller: Asking) -> Response:
    """Find items. `upload` of a part names a file of this request, or the hash of an earlier upload."""
    files: dict[str, bytes] = {}
    if require_kind(request, _JSON, _FORM) == _JSON:
        text: str | bytes = await request.body()
    else:
        fields, files = await form_files(request, most=16)
        if "query" not in fields:
            raise SettingsError("The field `query` is missing: the JSON of the query.")
        text = fields["query"]
    query = Query.model_validate_json(text)
    return answer(await service.run(service.search, caller, query, files))


@router.get("/search", response_model=AnswerDocument, responses=problems(400, 404, 409, 422, 503))
async def search_words(
    service: Served,
    caller: Asking,
    q: Annotated[str, Parameter(min_length=1, description="Words.", examples=["red car at night"])],
    space: Annotated[list[str] | None, Parameter(description="Spaces; unset: all that take words.")] = None,
    k: Annotated[int, Parameter(ge=1)] = 10,
    offset: Annotated[int, Parameter(ge=0)] = 0,
    mode: Mode = "vector",
) -> Response:
    """Find items by words."""
    query = Query(parts=(QueryPart(text=q),), spaces=space or [], k=k, offset=offset, mode=mode)
    return answer(await service.run(service.search, caller, query))
