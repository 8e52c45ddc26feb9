"""A Postgres server for a demo or a test: on loopback, with a password of its own, gone when it ends."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

URL = "EMBED_ASSETS_PG_URL"


def bin_folder() -> Path | None:
    """Return the folder of initdb and pg_ctl, Debian's or the PATH's; None where Postgres is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def postgres_url() -> Iterator[str]:
    """Yield the URL that EMBED_ASSETS_PG_URL names, or that of a server that is started.

    The scheme names the driver, psycopg2: SQLAlchemy from 2.1 on takes `postgresql://` as psycopg 3, which
    dagster-postgres does not install.
    """
    if url := os.environ.get(URL):
        yield url.replace("postgresql://", "postgresql+psycopg2://").replace("postgres://", "postgresql+psycopg2://")
        return
    commands = bin_folder()
    if commands is None:
        raise SystemExit(f"There is no Postgres: apt install postgresql, or set {URL} to the URL of a database.")
    temporary = tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True)
    with temporary as folder, _server(commands, Path(folder)) as url:
        yield url


@contextmanager
def _server(commands: Path, folder: Path) -> Iterator[str]:
    """Start a server in the folder, and stop it. The path is short: that of a socket has 107 bytes at most."""
    how: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "check": True}
    if os.geteuid() == 0:  # initdb and pg_ctl refuse root
        how |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres")
    data, password = folder / "data", secrets.token_hex(16)
    (folder / "password").write_text(password)
    authentication = ["--auth=scram-sha-256", "--pwfile", str(folder / "password")]
    subprocess.run([commands / "initdb", "-D", data, "-U", "demo", "-E", "UTF8", "--no-sync", *authentication], **how)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    control = [commands / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **how)
    try:
        yield f"postgresql+psycopg2://demo:{password}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **how)
