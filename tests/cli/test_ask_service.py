"""A service's address that is noted in a store is another program's by now: the command answers by itself."""

import contextlib
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from embed_assets.cli.shared.ask_service import ask_service


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_no_service_of_the_store_is_not_asked(answer: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def reply() -> None:
            with contextlib.suppress(OSError):  # no second caller came before the test ended
                for _ in range(2):
                    caller, _ = listening.accept()
                    with caller:
                        caller.recv(2**16)
                        caller.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        noted = {"url": url, "pid": os.getpid(), "started": "", "needs_key": False}
        (tmp_path / "service.json").write_text(json.dumps(noted))
        assert ask_service(str(tmp_path), {}, {}) is None
