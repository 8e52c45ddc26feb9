"""MCP server: the service's reads as tools for assistants, over HTTP and stdio."""

import base64
import logging
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, ImageContent, TextContent, ToolAnnotations
from pydantic import Field, ValidationError

from embed_assets.errors import EmbedAssetsError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.filters import parse_filter
from embed_assets.search.query import Query
from embed_assets.service.access.api_keys import ANYBODY, ApiKeys, Caller, caller_of
from embed_assets.service.answering import Service

T = TypeVar("T")

_log = logging.getLogger(__name__)
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_ABOUT = (
    "Search media (texts, pictures, sounds, videos) by meaning. Call list_spaces first: a space takes some kinds of "
    "queries. Scores compare within a space only; percentile says how unusual a match is: 99 and more is a good one."
)
_SIDE = 512  # pixels of a thumbnail
_MOST = 50  # hits of one call
_BYTES = 4 * 2**20  # of a request

Words = Annotated[str, Field(min_length=1, max_length=10_000, description="What to look for, in words.")]
Spaces = Annotated[list[str] | None, Field(description="Spaces to ask; none: all that take the query.")]
Count = Annotated[int, Field(ge=1, le=_MOST, description="Number of items.")]
Where = Annotated[
    dict[str, Any] | None,
    Field(description='Filter on columns: {"label": "dog"}, {"and": [{"price": {"lt": 20}}, {"source": "shop"}]}.'),
]
Item = Annotated[str, Field(min_length=1, max_length=4000, description="Id of an item, or SOURCE/KEY.")]


def mcp_server(service: Service) -> MCPServer:
    """Return the tools on a service. A tenant's filter holds in them as on every route."""
    server = MCPServer("embed-assets", instructions=_ABOUT, log_level="WARNING")

    @server.tool(annotations=_READS)
    async def list_spaces(context: Context) -> dict[str, Any]:
        """List the spaces that can be searched: encoder version, what kinds of queries each takes, check figures."""
        return await _run(service, service.spaces, _caller(context))

    @server.tool(annotations=_READS)
    async def search(
        query: Words,
        context: Context,
        minus: Annotated[str | None, Field(max_length=2000, description="What results should not be about.")] = None,
        spaces: Spaces = None,
        where: Where = None,
        mode: Annotated[
            Literal["vector", "text", "hybrid"], Field(description="By meaning, by words, or both.")
        ] = "vector",
        k: Count = 10,
        min_percentile: Annotated[float | None, Field(ge=0, le=100)] = None,
    ) -> dict[str, Any]:
        """Find items by words; each hit has its id, best spans and columns."""
        parts: list[dict[str, Any]] = [{"text": query}, *([{"text": minus, "weight": -0.5}] if minus else [])]
        return await _search(service, context, parts, spaces, where, k=k, mode=mode, min_percentile=min_percentile)

    @server.tool(annotations=_READS)
    async def similar_items(
        item: Item, context: Context, spaces: Spaces = None, where: Where = None, k: Count = 10
    ) -> dict[str, Any]:
        """Find items that are like a stored one."""
        return await _search(service, context, [{"item": item}], spaces, where, k=k)

    @server.tool(annotations=_READS)
    async def show_item(item: Item, context: Context) -> CallToolResult:
        """Show an item: its texts or spans, columns, encoder versions and history; of pictures and videos a picture."""
        caller = _caller(context)
        document = await _run(service, service.item, caller, item)
        content: list[Any] = [TextContent(type="text", text=_text(document))]
        if document["modality"] in ("image", "video"):
            content += await _picture(service, caller, item)
        return CallToolResult(content=content, structured_content=document)

    @server.tool(annotations=_READS)
    async def facets(context: Context, spaces: Spaces = None, where: Where = None) -> dict[str, Any]:
        """Count the values of columns (labels, sources, the user's own) under a filter: what can be filtered by."""
        tree = None if where is None else _checked(parse_filter, where)
        return await _run(service, service.facets, _caller(context), spaces=spaces or [], where=tree)

    @server.tool(annotations=_READS)
    async def index_status(context: Context) -> dict[str, Any]:
        """Say whether the index is fresh: stale items, versions that wait, check verdicts of what serves."""
        caller = _caller(context)
        described = await _run(service, service.spaces, caller)
        return {"spaces": described["spaces"], "ready": not service.warm_up.problem}

    return server


def mcp_app(server: MCPServer) -> Any:
    """Return the server as an ASGI app for streamable HTTP at /mcp. Keys and names are checked around it."""
    return server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        streamable_http_path="/mcp",
        max_request_body_size=_BYTES,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


def _caller(context: Context) -> Caller:
    """Return who calls: over HTTP the holder of the key, over stdio the person who started the server."""
    request = context.request_context.request
    return ANYBODY if request is None else caller_of(request.scope)


async def _search(
    service: Service,
    context: Context,
    parts: list[dict[str, Any]],
    spaces: list[str] | None,
    where: dict[str, Any] | None,
    **options: Any,
) -> dict[str, Any]:
    tree = None if where is None else _checked(parse_filter, where)
    query = _checked(lambda: Query.model_validate({"parts": parts, "spaces": spaces or [], "where": tree, **options}))
    return await _run(service, service.search, _caller(context), query)


async def _picture(service: Service, caller: Caller, item: str) -> list[ImageContent]:
    try:
        _, data = await service.run(service.thumbnail, caller, item, side=_SIDE)
    except EmbedAssetsError:  # broken, or away: the rest is as good without
        return []
    return [ImageContent(type="image", data=base64.b64encode(data).decode(), mime_type="image/webp")]


async def _run(service: Service, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    from embed_assets.service.errors_as_json import public_message

    try:
        return await service.run(function, *arguments, **options)
    except Exception as error:
        if not isinstance(error, EmbedAssetsError):
            _log.error("%s failed", getattr(function, "__name__", function), exc_info=error)
        raise ToolError(public_message(error)) from None


def _checked(function: Callable[..., T], *arguments: Any) -> T:
    from embed_assets.service.errors_as_json import public_message

    try:
        return function(*arguments)
    except (EmbedAssetsError, ValidationError) as error:
        raise ToolError(public_message(error)) from None


def _text(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, ensure_ascii=False, indent=1, default=str)[:20_000]


def run_on_stdio(steps: Steps) -> None:
    """Be an MCP server on stdin and stdout until stdin ends; everything else is printed on stderr."""
    service = Service(steps, ApiKeys({}))
    service.warm_up.start(service.searcher)
    mcp_server(service).run(transport="stdio")
