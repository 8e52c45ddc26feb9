"""MCP: the same reads as tools, in memory, over stdio and over HTTP; a tenant's filter holds there too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from embed_assets.pipeline.steps import Steps
from embed_assets.service.access.api_keys import ApiKeys
from embed_assets.service.answering import Service
from embed_assets.service.mcp_server import mcp_server
from tests.service.conftest import ACME, KEYS, Serve, media_ids
from tests.support import note

TOOLS = {"list_spaces", "search", "similar_items", "show_item", "facets", "index_status"}


def use(target: Any, session: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Client(target) as client:
            await session(client)

    asyncio.run(run())


def text_of(result: Any) -> str:
    return result.content[0].text


async def find_and_open(client: Client) -> None:
    """What an assistant does: look at the spaces, search, open what was found."""
    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
    spaces = (await client.call_tool("list_spaces", {})).structured_content
    assert spaces["spaces"][0]["space"] == "words"
    found = await client.call_tool("search", {"query": note(3), "k": 1})
    hit = found.structured_content["hits"][0]
    assert hit["key"] == "dogs/note-003.txt"
    shown = await client.call_tool("show_item", {"item": hit["media_id"]})
    assert shown.structured_content["versions"][0]["spans"][0]["text"] == note(3)
    alike = await client.call_tool("similar_items", {"item": "notes/dogs/note-003.txt", "k": 2})
    assert len(alike.structured_content["hits"]) == 2


def test_an_assistant_finds_and_opens_an_item(served: Steps) -> None:
    async def session(client: Client) -> None:
        await find_and_open(client)
        picture = media_ids(served)["pictures/1.png"]
        shown = await client.call_tool("show_item", {"item": picture})
        assert [part.type for part in shown.content] == ["text", "image"]
        counted = await client.call_tool("facets", {"where": {"label": "cats"}})
        assert counted.structured_content["facets"]["label"]["values"] == {"cats": 6}
        assert "ready" in (await client.call_tool("index_status", {})).structured_content
        for name, arguments, message in (
            ("search", {"query": ""}, "at least 1 character"),
            ("search", {"query": "x", "where": {"colour": 1}}, "colour"),
            ("search", {"query": "x", "minus": " "}, "the words are empty"),
            ("search", {"query": "x", "spaces": ["nothing"]}, "no space"),
            ("show_item", {"item": "../../etc/passwd"}, "no item"),
        ):
            refused = await client.call_tool(name, arguments)
            assert refused.is_error
            assert message in text_of(refused), name

    use(mcp_server(Service(served, ApiKeys({}))), session)


@pytest.mark.slow
def test_over_stdio(serve: Serve, built_store) -> None:
    command = serve.command("--mcp-stdio")
    use(stdio_client(StdioServerParameters(command=command[0], args=command[1:], env=serve.environment)), find_and_open)


@pytest.mark.slow
def test_over_http_a_tenant_finds_its_own_items_alone(serve: Serve, served: Steps) -> None:
    cat = media_ids(served)["cats/note-001.txt"]
    url = serve.start(api_keys=KEYS)

    async def session(client: Client) -> None:
        await find_and_open(client)
        for name, arguments in (
            ("show_item", {"item": cat}),
            ("show_item", {"item": "notes/cats/note-001.txt"}),
            ("similar_items", {"item": cat}),
        ):
            refused = await client.call_tool(name, arguments)
            assert refused.is_error, name
            assert "There is no item" in text_of(refused)
        found = await client.call_tool("search", {"query": note(101), "k": 50, "mode": "hybrid"})
        assert all(hit["labels"] != ["cats"] for hit in found.structured_content["hits"])
        counted = await client.call_tool("facets", {})
        assert "cats" not in counted.structured_content["facets"]["label"]["values"]

    http = httpx2.AsyncClient(headers={"X-API-Key": ACME})
    use(streamable_http_client(f"{url}/mcp", http_client=http), session)
