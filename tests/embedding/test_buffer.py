"""Buffer: waiting items are bounded by weight, and nobody waits for ever."""

import threading

import pytest

from embed_assets.embedding.bounded_queue import Buffer, Closed


def started(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_come_out_in_the_order_they_went_in():
    buffer: Buffer[str] = Buffer(10)
    for item in "abc":
        buffer.put(item, 1)
    assert [buffer.get() for _ in range(3)] == ["a", "b", "c"]


def test_a_put_over_the_limit_waits_until_there_is_room():
    buffer: Buffer[str] = Buffer(10)
    buffer.put("a", 6)
    waiting = started(lambda: buffer.put("b", 6))
    waiting.join(0.1)
    assert waiting.is_alive()
    assert buffer.get() == "a"
    waiting.join(5)
    assert not waiting.is_alive()
    assert buffer.get() == "b"


def test_one_item_over_the_limit_passes_an_empty_buffer():
    buffer: Buffer[str] = Buffer(10)
    buffer.put("huge", 1000)
    assert buffer.get() == "huge"
    buffer.put("next", 10)
    assert buffer.get() == "next"


def test_closing_lets_out_what_is_inside_and_then_says_so():
    buffer: Buffer[str] = Buffer(10)
    buffer.put("a", 1)
    buffer.close()
    assert buffer.get() == "a"
    with pytest.raises(Closed):
        buffer.get()
    with pytest.raises(Closed):
        buffer.put("b", 1)


def test_closing_wakes_both_sides():
    full: Buffer[str] = Buffer(1)
    empty: Buffer[str] = Buffer(1)
    full.put("a", 1)
    shown: list[str] = []

    def put() -> None:
        with pytest.raises(Closed):
            full.put("b", 1)
        shown.append("put")

    def get() -> None:
        with pytest.raises(Closed):
            empty.get()
        shown.append("get")

    threads = [started(put), started(get)]
    for buffer in (full, empty):
        buffer.close()
    for thread in threads:
        thread.join(5)
    assert sorted(shown) == ["get", "put"]
