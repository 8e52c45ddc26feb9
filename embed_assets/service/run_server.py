"""run_server: the service on a socket, until a signal ends it."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from embed_assets.errors import SettingsError
from embed_assets.pipeline.steps import Steps
from embed_assets.service.app import create_app
from embed_assets.service.running_service import noted

_END_SECONDS = 2  # for requests that are in work as a signal comes
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_server(steps: Steps, *, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `say` is given the address. Raises SettingsError where it can't listen there."""
    settings, app = steps.settings.serve, create_app(steps)
    listening = _socket(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_END_SECONDS,
        proxy_headers=False,
    )
    with noted(steps.store.uri, url, needs_key=bool(settings.api_keys)):
        say(url)
        _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that ends at a signal, and leaves it at that: the command's own handler ends the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"The service can't listen at {host}, port {port}: {getattr(error, 'strerror', None) or error}. Name "
            "another: embed-assets serve --port PORT."
        ) from error
