"""Cluster: the Ray that this process is connected to, joined where it is up, else started on this machine."""

import logging
import os
import socket
from types import ModuleType

from embed_assets.errors import EngineError, MissingExtraError

_SECONDS = 10.0  # for the cluster's port to answer


def connected_ray(address: str | None) -> ModuleType:
    """Return the package ray, connected: as it is already, to `address`, to RAY_ADDRESS, or to one started here.

    One that is started here ends with this process. Raises MissingExtraError without the package, EngineError where no
    cluster answers.
    """
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # else `uv run` is what workers start with
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("compute.engine: ray", "ray") from error
    if not ray.is_initialized():
        address = address or os.environ.get("RAY_ADDRESS")
        if address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            _knock(address or "")
            ray.init(address, logging_level=logging.ERROR, log_to_driver=False, ignore_reinit_error=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"No Ray cluster answers at {address or 'this machine'}: {error}. Start one, or correct "
                "compute.ray.address."
            ) from error
    return ray


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
