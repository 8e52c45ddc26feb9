"""A Ray for a demo or a test, that only this machine reaches: by itself Ray listens on all interfaces.

Two of Ray's private names keep it to the loopback interface. A cluster belongs in a private network, or behind Ray's
own token authentication.
"""

import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOOPBACK = "127.0.0.1"


@contextmanager
def local_ray(**options: Any) -> Iterator[Any]:
    """Start Ray and yield what `ray.init` returns; it ends with the block. `options` are more of `ray.init`'s."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0", RAY_DISABLE_IMPORT_WARNING="1")
    ray = importlib.import_module("ray")
    services = importlib.import_module("ray._private.services")
    vars(services).update(resolve_ip_for_localhost=lambda host: host, get_node_ip_address=lambda *_, **__: LOOPBACK)
    usual: dict[str, Any] = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
    context = ray.init("local", _node_ip_address=LOOPBACK, **(usual | options))
    try:
        yield context
    finally:
        ray.shutdown()
