"""The processes of examples/deploy without Docker: the commands of its compose.yaml, on loopback."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.engine import make_url

from tests.support import REPOSITORY

DEPLOY = REPOSITORY / "examples" / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
_PORTS = {"4000": "code", "3000": "webserver", "8300": "search"}


@dataclass(frozen=True)
class Deployment:
    folder: Path
    ports: Mapping[str, int]
    environ: Mapping[str, str]

    def command(self, words: list[str]) -> list[str]:
        """A command as the compose file has it, with this deployment's files and ports."""
        here = {"0.0.0.0": "127.0.0.1", **{port: str(self.ports[name]) for port, name in _PORTS.items()}}
        found = [here.get(word, word.replace("/opt/dagster", str(self.folder))) for word in words]
        program = Path(sys.executable).with_name(found[0])
        return [str(program), *found[1:]] if found[0] != "python" else [sys.executable, *found[1:]]

    def healthy(self, service: str) -> bool:
        """Whether the check of the compose file passes."""
        _, *check = COMPOSE["services"][service]["healthcheck"]["test"]
        for port, name in _PORTS.items():
            check = [word.replace(f":{port}/", f":{self.ports[name]}/") for word in check]
        return self.call(check).returncode == 0

    def call(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the deployment's environment."""
        return subprocess.run(
            self.command(words), env=self.environ, cwd=self.folder, capture_output=True, text=True, timeout=300
        )

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the webserver answers."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return self._json(f"http://127.0.0.1:{self.ports['webserver']}/graphql", body)["data"]

    def search(self, query: str, key: str) -> dict[str, Any]:
        """What the search service answers."""
        body = json.dumps({"parts": [{"text": query}], "k": 1}).encode()
        return self._json(f"http://127.0.0.1:{self.ports['search']}/search", body, Authorization=f"Bearer {key}")

    def _json(self, url: str, body: bytes, **headers: str) -> dict[str, Any]:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    @contextmanager
    def running(self, service: str) -> Iterator[None]:
        """The service's process, from the moment that its own check passes."""
        log = self.folder / f"{service}.log"
        with log.open("w") as file:
            command = self.command(COMPOSE["services"][service]["command"])
            process = subprocess.Popen(command, env=self.environ, cwd=self.folder, stdout=file, stderr=file)
            try:
                wait_until(lambda: process.poll() is not None or self.healthy(service), seconds=240, why=service)
                assert process.poll() is None, log.read_text()[-4000:]
                yield
            finally:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def wait_until(done: Any, *, seconds: float, why: str) -> None:
    """Raises AssertionError where it takes longer."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{why}: nothing after {seconds:.0f} s"
        time.sleep(1)


@contextmanager
def deployed(folder: Path, database: str, **settings: Any) -> Iterator[Deployment]:
    """Code location, webserver and daemon on a Postgres database; `settings` replace those of pipeline.yaml."""
    for name in ("dagster.yaml", "workspace.yaml", "pipeline.yaml"):
        shutil.copy(DEPLOY / name, folder / name)
    url = make_url(database)
    ports = {name: _free_port() for name in _PORTS.values()}
    own = {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_POSTGRES_HOST": url.host,
        "DAGSTER_POSTGRES_PORT": str(url.port),
        "DAGSTER_POSTGRES_DB": url.database,
        "DAGSTER_POSTGRES_USER": url.username,
        "DAGSTER_POSTGRES_PASSWORD": str(url.password),
        "CODE_HOST": "127.0.0.1",
        "CODE_PORT": str(ports["code"]),
        "EMBED_ASSETS_SETTINGS": str(folder / "pipeline.yaml"),
    }
    named = COMPOSE["x-dagster"]["environment"]
    assert set(named) == set(own)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "EMBED_", "AWS_"))}
    over = {
        f"EMBED_ASSETS_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
    environ = {**kept, **own, **over, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore", "SEARCH_KEY": "k" * 32}
    made = Deployment(folder, ports, {name: str(value) for name, value in environ.items()})
    with ExitStack() as stack:
        for service in ("code", "webserver", "daemon"):
            stack.enter_context(made.running(service))
        yield made


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
