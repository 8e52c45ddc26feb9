"""/encode under load: queries of many requests encoded together, against one worker that encodes them one by one.

    python benchmarks/serve_encode.py [--seconds 10]

Both are `embed-assets serve` in a process of its own, on the same store, with MiniLM on the CPU; the second has the
encoder of a single searcher instead of the service's. Clients send texts of 3 to 14 words, no two the same. The two run
in turn for each number of clients.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.serve_load import ROOT, build

CLIENTS = (1, 8, 32)
_BATCHED = "from embed_assets.cli.main import main; main()"
_ONE_BY_ONE = """
from embed_assets.search.encode_query import QueryEncoder
from embed_assets.service import answering

class OneByOne(QueryEncoder):
    def __init__(self, store, compute, **options):
        super().__init__(store, compute)

answering.BatchingEncoder = OneByOne
from embed_assets.cli.main import main; main()
"""
_WORDS = [
    f"{first}{second}" for first in ("ba", "co", "du", "fe", "li", "mo") for second in ("ker", "lan", "nia", "ral")
]


def measure(url: str, clients: int, seconds: float) -> dict[str, float]:
    """Return requests per second, and milliseconds at the median and the 99th percentile."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def client(seed: int) -> None:
        draw = random.Random(f"{clients} {seed} {time.time_ns()}")
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while time.monotonic() < end:
            text = " ".join(draw.choices(_WORDS, k=draw.randint(3, 14)))
            began = time.perf_counter()
            body = json.dumps({"space": "text", "texts": [text]})
            connection.request("POST", "/encode", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            document = response.read()
            assert response.status == 200, document
            times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    return {
        "per_second": round(len(times) / seconds, 1),
        "p50_ms": round(1000 * statistics.median(times), 1),
        "p99_ms": round(1000 * times[int(0.99 * len(times))], 1),
    }


def main() -> None:
    """Build, serve twice, load both in turn, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, 100)
        processes, urls = [], {}
        try:
            for kind, program in (("together", _BATCHED), ("one by one", _ONE_BY_ONE)):
                command = [sys.executable, "-c", program, "serve", "--port", "0"]
                command += ["--settings", str(folder / "pipeline.yaml")]
                process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
                processes.append(process)
                assert process.stdout is not None
                urls[kind] = next(line.split()[1] for line in process.stdout if line.startswith("Search: "))
                measure(urls[kind], 1, 3.0)  # warm
            for clients in CLIENTS:
                for kind, url in urls.items():
                    print(f"{clients:>3} clients, {kind:<10} {measure(url, clients, arguments.seconds)}", flush=True)
        finally:
            for process in processes:
                process.terminate()
                process.wait(20)


if __name__ == "__main__":
    main()
