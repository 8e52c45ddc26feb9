"""A proxy in front of an S3 server, on loopback, that fails some requests: as networks and busy buckets do."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.s3_server import S3Server

# reset: cut off before the server has it; lost: the server does it, and its answer is cut off; stall: lost, and late
Fault = Literal["reset", "lost", "throttle", "stall", "deny"]
_REFUSALS = {"throttle": (503, "SlowDown"), "deny": (403, "AccessDenied")}


@dataclass
class FaultyS3:
    """`fault(method, path, number of the request)` says what befalls a request; None: nothing."""

    endpoint: str
    behind: S3Server
    fault: Callable[[str, str, int], Fault | None] = lambda *_: None
    stall_seconds: float = 0.5
    faults: Counter[str] = field(default_factory=Counter)
    requests: list[str] = field(default_factory=list)  # GET /bucket/key
    keys: set[str] = field(default_factory=set)  # access keys that requests were signed with

    @property
    def server(self) -> S3Server:
        """The same server, reached through the proxy."""
        return replace(self.behind, endpoint=self.endpoint)

    @property
    def storage_options(self) -> dict[str, Any]:
        return self.server.storage_options


@contextmanager
def faulty_s3(behind: S3Server) -> Iterator[FaultyS3]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    proxy = FaultyS3(f"http://127.0.0.1:{server.server_address[1]}", behind)
    server.proxy, server.lock = proxy, threading.Lock()  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def _serve(self) -> None:
        proxy: FaultyS3 = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            fault = proxy.fault(self.command, self.path, len(proxy.requests))
            proxy.requests.append(f"{self.command} {self.path}")
            proxy.keys.add(self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0])
            if fault:
                proxy.faults[fault] += 1
        if fault in _REFUSALS:
            status, code = _REFUSALS[fault]
            body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>No.</Message></Error>'.encode()
            self._answer(status, {"Content-Type": "application/xml"}, body)
            return
        if fault == "reset":
            self._cut_off()
            return
        status, headers, answer = self._forwarded(proxy.behind.endpoint, body)
        if fault == "stall":
            time.sleep(proxy.stall_seconds)
        if fault in ("lost", "stall"):
            self._cut_off()
            return
        self._answer(status, headers, answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _forwarded(self, endpoint: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _cut_off(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        return
