"""The demo with its media and its store in a bucket.

    python examples/scaling/on_s3.py [--home FOLDER] [--items N]

Where AWS_ENDPOINT_URL is set, or AWS_PROFILE, the bucket of EMBED_ASSETS_BUCKET there is used. Else moto's S3 server is
started on this machine (pip install 'moto[server]'), whose log counts the requests.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import s3fs
from demo_pipeline import SOURCES, embed_assets, write_pipeline


def main() -> None:
    """Copy the media, build, run again with nothing changed, search."""
    parser = argparse.ArgumentParser(description="The demo with its media and its store in a bucket.")
    parser.add_argument("--home", type=Path, default=Path(".embed-assets/on-s3"))
    parser.add_argument("--items", type=int, help="media items of each source, of some 2,700 in all")
    chosen = parser.parse_args()
    bucket = os.environ.get("EMBED_ASSETS_BUCKET", "embed-assets-demo")
    changes: dict[str, Any] = {
        "store": f"s3://{bucket}/store",
        "sources": {name: {"uri": f"s3://{bucket}/media/{name}"} for name in SOURCES},
    }
    write_pipeline(chosen.home, changes, items=chosen.items)
    with s3_server(chosen.home / "requests.log") as log:
        upload(chosen.home / "media", bucket)
        settings = ["--settings", str(chosen.home / "pipeline.yaml")]
        for title in ("first run", "nothing changed"):
            before = requests(log)
            embed_assets("run", *settings)
            print(f"{title}: {requests(log) - before:,} requests" if log else title)
        query = "how do I split a path into its extension"
        embed_assets("search", query, "--store", changes["store"], "--space", "text", "-k", "3")


def upload(media: Path, bucket: str) -> None:
    """Copy the media into the bucket, which is made where it is not there."""
    fs = s3fs.S3FileSystem()
    if not fs.exists(bucket):
        fs.mkdir(bucket)
    fs.put(f"{media}/", f"{bucket}/media/", recursive=True)


@contextmanager
def s3_server(log: Path) -> Iterator[Path | None]:
    """Yield the log of a server that is started, or None where the environment names one."""
    if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_PROFILE"):
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(keys, AWS_ENDPOINT_URL=endpoint, AWS_EC2_METADATA_DISABLED="true")
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
        try:
            wait_for(f"{endpoint}/moto-api/", server)
            yield log
        finally:
            server.terminate()
            server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers. Raises SystemExit where it ends before."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise SystemExit("The S3 server does not start: pip install 'moto[server]'")


def requests(log: Path | None) -> int:
    """Return how many requests the server has answered."""
    return 0 if log is None else sum('HTTP/1.1"' in line for line in log.read_text().splitlines())


if __name__ == "__main__":
    main()
