import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from embed_assets.media.isolation.memory_limit import Room

MEGA = 2**20


def test_what_fits_is_let_in_together_and_the_rest_waits() -> None:
    room, inside = Room(10 * MEGA), threading.Barrier(3, timeout=10)
    with ThreadPoolExecutor(3) as pool:

        def enter(weight: int) -> None:
            with room.reserve(weight):
                inside.wait()

        assert len([pool.submit(enter, 3 * MEGA).result for _ in range(3)]) == 3
    late = threading.Event()
    with room.reserve(8 * MEGA):
        thread = threading.Thread(
            target=lambda: [late.set() for _ in (0,) if room.reserve(3 * MEGA).__enter__() is None]
        )
        thread.start()
        assert not late.wait(0.1)
    assert late.wait(10)
    thread.join()


def test_what_is_larger_than_the_room_has_it_alone() -> None:
    room = Room(MEGA)
    with room.reserve(5 * MEGA), room.reserve(10):
        pass
    with room.reserve(5 * MEGA):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_waits_for_nobody_of_its_parent() -> None:
    room = Room(MEGA)
    with room.reserve(MEGA):
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            with room.reserve(MEGA):
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
