"""A real S3 endpoint for tests: moto's server in a process of its own, on a free port."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    log: Path

    @property
    def storage_options(self) -> dict[str, Any]:
        client = {"endpoint_url": self.endpoint, "region_name": "us-east-1"}
        return {"key": "testing", "secret": "testing-secret", "client_kwargs": client}

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
        )

    def requests(self) -> list[str]:
        """The request lines answered so far, as in `GET /bucket/key HTTP/1.1`."""
        lines = self.log.read_text().splitlines()
        return [line.split('"')[1] for line in lines if line.count('"') >= 2 and "/moto-api" not in line]

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def s3_server(log: Path) -> Iterator[S3Server]:
    """A process, not moto's in-process thread: Lance's Rust client and spawned workers need a real port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            server = S3Server(endpoint=f"http://127.0.0.1:{port}", log=log)
            _wait(process, server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], server: S3Server) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"moto ended with {process.returncode}: {server.log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(f"{server.endpoint}/moto-api/", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("moto did not answer within 60 s")
