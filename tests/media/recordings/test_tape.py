import numpy as np

from embed_assets.media.recordings.sample_buffer import Tape


def blocks(*sizes: int) -> Tape:
    numbers = np.arange(sum(sizes), dtype=np.float32)
    return Tape(iter(np.split(numbers, np.cumsum(sizes)[:-1])))


def test_parts_are_the_requested_ones() -> None:
    tape = blocks(3, 0, 5, 2)
    assert list(tape.between(1, 4)) == [1, 2, 3]
    assert list(tape.between(2, 9)) == [2, 3, 4, 5, 6, 7, 8]
    assert list(tape.between(8, 20)) == [8, 9]
    assert list(tape.between(12, 20)) == []
    assert tape.end == 10


def test_no_more_is_read_than_requested() -> None:
    read = []

    def source():
        for number in range(100):
            read.append(number)
            yield np.zeros(10, np.float32)

    tape = Tape(source())
    assert tape.reaches(15)
    assert len(read) == 2
    assert tape.end == 20


def test_a_part_keeps_its_samples_when_others_are_read_behind_it() -> None:
    tape = Tape(np.full(100_000, number, np.float32) for number in range(20))
    parts = [tape.between(at, at + 150_000) for at in range(0, 2_000_000, 150_000)]
    assert all((np.diff(part) >= 0).all() and part[0] == at * 150_000 // 100_000 for at, part in enumerate(parts))


def test_what_lies_before_is_forgotten() -> None:
    tape = Tape(np.zeros(100_000, np.float32) for _ in range(1000))
    for at in range(0, 90_000_000, 1_000_000):
        tape.between(at, at + 200_000)
    assert tape._held.nbytes < 20_000_000


def test_the_unrequested_rest_may_still_be_wrong() -> None:
    def source():
        yield np.zeros(10, np.float32)
        raise ValueError("half of it is missing")

    tape = Tape(source())
    assert len(tape.between(0, 5)) == 5
    try:
        tape.run_out()
    except ValueError as error:
        assert "missing" in str(error)
    else:
        raise AssertionError("nothing was raised")
