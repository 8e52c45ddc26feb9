"""The OpenAPI document: models of queries, and the key where there are any."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from embed_assets import __version__
from embed_assets.search.query import Query
from embed_assets.service.access.api_keys import HEADER, ApiKeys
from embed_assets.service.documents import Problem

_OPEN = ("/health",)
_UNAUTHORISED = {
    "description": "The key is missing or wrong.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def describe(app: FastAPI, keys: ApiKeys) -> None:
    """Have the app make its document on request, once."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app, keys)
        return app.openapi_schema

    app.openapi = document


def _document(app: FastAPI, keys: ApiKeys) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=__version__, description=app.description, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    query = Query.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(query.pop("$defs", {}))
    schemas |= {"Query": query, "Problem": Problem.model_json_schema()}
    if keys:
        made["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": HEADER},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        for path, operations in made["paths"].items():
            if path not in _OPEN:
                for operation in operations.values():
                    operation["security"] = [{"key": []}, {"bearer": []}]
                    operation["responses"]["401"] = _UNAUTHORISED
    return made
