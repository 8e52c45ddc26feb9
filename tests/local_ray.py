"""A Ray on this machine, reachable from it alone: Ray listens on all interfaces otherwise, and asks for no password."""

import importlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"


@contextmanager
def local_ray(cpus: int = 3) -> Iterator[Any]:
    """Start it on loopback; it ends with the block."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0", RAY_DISABLE_IMPORT_WARNING="1")
    ray = importlib.import_module("ray")
    services = importlib.import_module("ray._private.services")
    vars(services).update(resolve_ip_for_localhost=lambda host: host, get_node_ip_address=lambda *_, **__: LOOPBACK)
    ray.init(
        num_cpus=cpus,
        include_dashboard=False,
        _node_ip_address=LOOPBACK,
        logging_level=logging.ERROR,
        log_to_driver=False,
        object_store_memory=200 * 2**20,
    )
    try:
        yield ray
    finally:
        ray.shutdown()


def kill_encoding_actor(*, after: float) -> bool:
    """End the first encoding actor by SIGKILL, some seconds after it is seen; False where none is seen in a minute."""
    for _ in range(600):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                title = (folder / "cmdline").read_bytes().split(b"\0")[0]
            except OSError:
                continue
            if b"EncodingWorker" in title:
                time.sleep(after)
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        time.sleep(0.1)
    return False
