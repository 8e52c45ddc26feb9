import threading
from concurrent.futures import ThreadPoolExecutor

from embed_assets.media.room import Room

MEGA = 2**20


def test_what_fits_is_let_in_together_and_the_rest_waits() -> None:
    room, inside = Room(10 * MEGA), threading.Barrier(3, timeout=10)
    with ThreadPoolExecutor(3) as pool:

        def enter(weight: int) -> None:
            with room.taken(weight):
                inside.wait()

        assert len([pool.submit(enter, 3 * MEGA).result for _ in range(3)]) == 3
    late = threading.Event()
    with room.taken(8 * MEGA):
        thread = threading.Thread(target=lambda: [late.set() for _ in (0,) if room.taken(3 * MEGA).__enter__() is None])
        thread.start()
        assert not late.wait(0.1)
    assert late.wait(10)
    thread.join()


def test_what_is_larger_than_the_room_has_it_alone() -> None:
    room = Room(MEGA)
    with room.taken(5 * MEGA), room.taken(10):
        pass
    with room.taken(5 * MEGA):
        pass
