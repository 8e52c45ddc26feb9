"""RunningService: where a service of a local store listens, noted beside its tables while it runs."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE = "service.json"


@dataclass(frozen=True, kw_only=True)
class RunningService:
    """A service: its address, its process and since when it runs; whether it answers with a key alone."""

    url: str
    pid: int
    started: str
    needs_key: bool = False


def running_service(store: str) -> RunningService | None:
    """Return the service of a store, by its folder; None where none runs on this machine."""
    if "://" in store:
        return None
    try:
        noted = RunningService(**json.loads((Path(store) / FILE).read_text(encoding="utf-8")))
        os.kill(noted.pid, 0)
    except (OSError, ValueError, TypeError, OverflowError):  # none, a damaged file, or a process that has ended
        return None
    return noted


@contextlib.contextmanager
def noted(store: str, url: str, *, needs_key: bool) -> Iterator[None]:
    """Note a service of this process while the block runs; not of a store in a bucket, or one that is read only."""
    service = RunningService(url=url, pid=os.getpid(), started=datetime.now(UTC).isoformat(), needs_key=needs_key)
    file = Path(store) / FILE
    if "://" not in store:
        with contextlib.suppress(OSError):
            part = file.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(asdict(service)), encoding="utf-8")
            part.replace(file)
    try:
        yield
    finally:
        found = running_service(store)
        if found is not None and found.pid == os.getpid():
            file.unlink(missing_ok=True)
