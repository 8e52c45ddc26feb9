"""embed-assets serve: search, items and media of a store over HTTP, with a page, and as tools of assistants."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from embed_assets.cli.shared.options import saved_pipeline, short_path, store_option
from embed_assets.cli.shared.plain_output import say
from embed_assets.errors import MissingExtraError
from embed_assets.load_settings import load_settings

if TYPE_CHECKING:
    from embed_assets.settings import PipelineSettings

_MODULES = ("fastapi", "mcp", "prometheus_client", "python_multipart", "uvicorn")


@click.command()
@click.option("--host", help="Address to listen at; unset: serve.host of the settings, 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0: any that is free; unset: serve.port, 8300.")
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(),
    help="YAML of the pipeline; unset: the settings that the store was built with, which hold no key.",
)
@click.option("--mcp-stdio", is_flag=True, help="Be an MCP server on stdin and stdout instead of an HTTP service.")
@store_option
def command(host: str | None, port: int | None, settings_file: str | None, mcp_stdio: bool, store: str) -> None:
    """Serve search over HTTP, with a page in the browser, and to assistants by MCP; Ctrl-C ends it."""
    if any(find_spec(module) is None for module in _MODULES):
        raise MissingExtraError("The service", "serve")
    settings = _with(_settings(store, settings_file), host=host, port=port)
    from embed_assets.pipeline.steps import Steps

    if mcp_stdio:
        from embed_assets.service.mcp_server import run_on_stdio

        run_on_stdio(Steps(settings))
        return
    from embed_assets.service.run_server import run_server

    def started(url: str) -> None:
        say(f"Store: {short_path(settings.store)}")
        say(f"Search: {settings.serve.url or url}  (API: {url}/openapi.json, MCP: {url}/mcp)")

    run_server(Steps(settings), say=started)


def _settings(store: str, settings_file: str | None) -> "PipelineSettings":
    return load_settings(settings_file) if settings_file else saved_pipeline(store)[1]


def _with(settings: "PipelineSettings", **given: Any) -> "PipelineSettings":
    changes = {name: value for name, value in given.items() if value is not None}
    return settings.model_copy(update={"serve": settings.serve.model_copy(update=changes)})
