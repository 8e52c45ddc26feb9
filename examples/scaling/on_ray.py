"""The demo with its encoders on a Ray cluster.

    python examples/scaling/on_ray.py [--home FOLDER] [--items N]

Where RAY_ADDRESS is set, that cluster is used. Else Ray is started on this machine, for it alone.
"""

import argparse
import os
from contextlib import nullcontext
from pathlib import Path

from demo_pipeline import embed_assets, write_pipeline
from local_ray import local_ray

from embed_assets.cli.main import main as run_command


def main() -> None:
    """Build with Ray's actors in place of this process, and search."""
    parser = argparse.ArgumentParser(description="The demo with its encoders on a Ray cluster.")
    parser.add_argument("--home", type=Path, default=Path(".embed-assets/on-ray"))
    parser.add_argument("--items", type=int, help="media items of each source, of some 2,700 in all")
    chosen = parser.parse_args()
    changes = {"compute": {"engine": "ray", "ray": {"encoders": 1, "cpus": 1, "cutters": 1}}}
    write_pipeline(chosen.home, changes, items=chosen.items)
    with nullcontext() if "RAY_ADDRESS" in os.environ else local_ray():
        # In this process, which is the one that is connected.
        run_command(["run", "--settings", str(chosen.home / "pipeline.yaml")], standalone_mode=False)
    store = str(chosen.home / "store")
    embed_assets("search", "how do I split a path into its extension", "--store", store, "--space", "text", "-k", "3")


if __name__ == "__main__":
    main()
