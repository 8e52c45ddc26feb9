"""The demo with its encoders on a Ray cluster.

    python examples/scaling/on_ray.py [--home FOLDER] [--items N]

Where RAY_ADDRESS is set, that cluster is used. Else Ray is started on this machine, and kept to the loopback interface
by two of its private names: by itself it listens on all interfaces, and asks for no password. A cluster belongs in a
private network.
"""

import argparse
import importlib
import logging
import os
from pathlib import Path

from demo_pipeline import embed_assets, write_pipeline

from embed_assets.cli.main import main as run_command

LOOPBACK = "127.0.0.1"


def main() -> None:
    """Build with Ray's actors in place of this process, and search."""
    parser = argparse.ArgumentParser(description="The demo with its encoders on a Ray cluster.")
    parser.add_argument("--home", type=Path, default=Path(".embed-assets/on-ray"))
    parser.add_argument("--items", type=int, help="media items of each source, of some 2,700 in all")
    chosen = parser.parse_args()
    changes = {"compute": {"engine": "ray", "ray": {"encoders": 1, "cpus": 1, "cutters": 1}}}
    write_pipeline(chosen.home, changes, items=chosen.items)
    if "RAY_ADDRESS" not in os.environ:
        start_on_loopback()
    # In this process, which is the one that is connected.
    run_command(["run", "--settings", str(chosen.home / "pipeline.yaml")], standalone_mode=False)
    store = str(chosen.home / "store")
    embed_assets("search", "how do I split a path into its extension", "--store", store, "--space", "text", "-k", "3")


def start_on_loopback() -> None:
    """Start Ray where only this machine reaches it; it ends with this process."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = importlib.import_module("ray")
    services = importlib.import_module("ray._private.services")
    vars(services).update(resolve_ip_for_localhost=lambda host: host, get_node_ip_address=lambda *_, **__: LOOPBACK)
    ray.init(include_dashboard=False, _node_ip_address=LOOPBACK, logging_level=logging.ERROR, log_to_driver=False)


if __name__ == "__main__":
    main()
