"""A web server of this process: paths answered as a test says, requests counted."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What a path is answered with. `cut`: so many bytes fewer are sent than promised."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0


class WebServer:
    """Answers by path; whatever is not in `answers` is 404."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: dict[str, Answer | Callable[[Mapping[str, str]], Answer]] = {}
        self.asked: Counter[str] = Counter()  # by path
        self.headers: dict[str, Mapping[str, str]] = {}  # of the latest request, by path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, body: bytes | str = b"", **more: Any) -> str:
        """Answer a path; its address."""
        self.answers[path] = Answer(body.encode() if isinstance(body, str) else body, **more)
        return f"{self.url}{path}"

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        self.asked[path] += 1
        self.headers[path] = dict(headers)
        found = self.answers.get(path, Answer(b"none", 404))
        return found if isinstance(found, Answer) else found(headers)


@contextmanager
def web_server(port: int = 0) -> Iterator[WebServer]:
    """Runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET(body=False)

        def do_GET(self, body: bool = True) -> None:
            found = made.answer(self.path, self.headers)  # pyright: ignore[reportArgumentType]
            self.send_response(found.status)
            for name, value in {"Content-Length": str(len(found.body)), **found.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(found.body[: len(found.body) - found.cut])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    made = WebServer(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
