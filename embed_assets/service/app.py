"""create_app: the service of a pipeline's store as an ASGI app."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from embed_assets import __version__
from embed_assets.pipeline.steps import Steps
from embed_assets.service.access.api_keys import KeyCheck, read_api_keys
from embed_assets.service.access.response_headers import ResponseHeaders
from embed_assets.service.access.upload_limit import UploadLimit
from embed_assets.service.answering import Service
from embed_assets.service.errors_as_json import answer_errors
from embed_assets.service.mcp_server import mcp_app, mcp_server
from embed_assets.service.openapi import describe
from embed_assets.service.page_files import FOLDER, PageFiles, page_paths
from embed_assets.service.routes import (
    encode,
    facets,
    health,
    item_map,
    items,
    judgements,
    media,
    search,
    session,
    spaces,
    uploads,
)
from embed_assets.settings import ServeSettings

_ROUTES = (search, encode, uploads, items, media, facets, item_map, spaces, judgements, health, session)
_ABOUT = "Search, items and media of an embed-assets store."


def create_app(steps: Steps) -> FastAPI:
    """Return the service on a pipeline's store, by its settings `serve`.

    Raises SettingsError where a key is wrong, or where it would listen beyond this machine without one.
    """
    keys = read_api_keys(steps.settings.serve)
    service = Service(steps, keys)
    tools = mcp_app(mcp_server(service))

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.warm_up.start(service.searcher)
        async with tools.router.lifespan_context(tools):
            yield
        service.warm_up.stop()

    app = FastAPI(
        title="embed-assets", version=__version__, description=_ABOUT, docs_url=None, redoc_url=None, lifespan=life
    )
    app.state.service = service
    answer_errors(app)
    for module in _ROUTES:
        app.include_router(module.router)
    app.router.routes.extend(tools.routes)  # not mounted: /mcp without a slash behind it would be the page's
    if page_paths():
        app.mount("/", GZipMiddleware(PageFiles(directory=FOLDER, html=True)))
    describe(app, keys)
    settings = steps.settings.serve
    app.add_middleware(UploadLimit, max_bytes=settings.max_upload_mb * 2**20)
    app.add_middleware(KeyCheck, keys=keys, open_paths={"/health", *page_paths()}, hosts=_names(settings))
    app.add_middleware(ResponseHeaders, metrics=service.metrics)
    return app


def _names(settings: ServeSettings) -> list[str]:
    """Return the names by which the service may be called without a key."""
    public = urlsplit(settings.url).hostname if settings.url else None
    return [name for name in (settings.host, public) if name]
