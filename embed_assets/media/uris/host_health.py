"""Hosts: the state of hosts that were requested: how long to wait for each, and which are given up."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from embed_assets.errors import MediaError
from embed_assets.media.files.unreachable import UNREACHABLE

_TRIES = 3
_PAUSE = 0.3  # seconds before the second try, doubled before each further one
_SILENT = 5  # requests in a row without an answer, after which a host is down
_TROUBLED = 50  # requests in a row with errors of the host
_LONGEST_WAIT = 20.0  # seconds that a host may request at one time
_MOST_WAITING = 60.0  # seconds of waiting for a host in total

Result = TypeVar("Result")


class Trouble(Exception):
    """A failed request for a file that may exist. `silent`: there was no answer at all."""

    def __init__(self, why: str, *, silent: bool = False, wait: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.silent = silent
        self.wait = wait  # seconds that the host requests


class Hosts:
    """Retries and limits for requests to hosts, during one listing or one run's reading."""

    def __init__(self, *, pause: float = _PAUSE) -> None:
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._lock = threading.Lock()
        self._pause = pause
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Stop waiting: further requests raise "unreachable"."""
        self._stopped.set()

    def retry(self, place: str, request: Callable[[], Result], *, tries: int = _TRIES) -> Result:
        """Return the result of `request`, which is tried again where it raises Trouble.

        Raises MediaError "unreachable" after the last try, and without one for a host that was given up.
        """
        with self._lock:
            host = self._hosts[place]
        tried = 0
        while True:
            self._wait_for(host)
            try:
                result = request()
            except Trouble as trouble:
                tried += trouble.wait is None
                host.record_failure(trouble, last=tried >= tries)
                if tried >= tries:
                    raise MediaError(UNREACHABLE, trouble.why, again=True) from trouble
                if trouble.wait is None:
                    self._stopped.wait(self._pause * 2 ** (tried - 1))
            except MediaError:
                host.record_answer()
                raise
            else:
                host.record_answer()
                return result

    def _wait_for(self, host: "_Host") -> None:
        """Wait as long as the host requested. Raises MediaError for a host that was given up."""
        while not self._stopped.is_set():
            if host.given_up:
                raise MediaError(UNREACHABLE, host.given_up, again=True)
            left = host.not_before - time.monotonic()
            if left <= 0:
                return
            self._stopped.wait(left)
        raise MediaError(UNREACHABLE, "stopped", again=True)


class _Host:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures_in_a_row = 0
        self._waited = 0.0
        self.not_before = 0.0
        self.given_up = ""  # why

    def record_answer(self) -> None:
        with self._lock:
            self._failures_in_a_row = 0

    def record_failure(self, trouble: Trouble, *, last: bool) -> None:
        with self._lock:
            self._failures_in_a_row += last
            if trouble.wait is not None:
                self._wait(trouble.wait, trouble.why)
            if self._failures_in_a_row >= (_SILENT if trouble.silent else _TROUBLED):
                self.given_up = trouble.why

    def _wait(self, seconds: float, why: str) -> None:
        now = time.monotonic()
        until = now + max(seconds, 0.1)
        self._waited += max(0.0, until - max(now, self.not_before))  # several threads wait at the same time
        self.not_before = max(self.not_before, until)
        if seconds > _LONGEST_WAIT or self._waited > _MOST_WAITING:
            self.given_up = f"{why}, asks to wait {seconds:,.0f} s" if seconds > _LONGEST_WAIT else why
