import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from embed_assets.errors import MediaError
from embed_assets.media.isolation.decoder_pool import Decoders
from embed_assets.media.limits import Limits
from embed_assets.media.pictures.decode_image import decode_image
from embed_assets.run_cache import run_cache
from tests.media import tasks
from tests.media.pictures.test_decode_image import encoded


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders(seconds=20, megabytes=1024) as made:
        yield made


def reason(decoders: Decoders, task: object, **given: object) -> str:
    with pytest.raises(MediaError) as caught:
        decoders.run(task, b"some bytes", **given)  # type: ignore[arg-type]
    return caught.value.reason


def test_a_task_runs_in_another_process_that_is_kept(decoders: Decoders) -> None:
    first = decoders.run(tasks.process, b"")
    assert first != os.getpid()
    assert decoders.run("tests.media.tasks:process", b"") == first


def test_arrays_come_back_equal_and_can_be_written_to(decoders: Decoders) -> None:
    found = decoders.run(tasks.doubled, bytes(range(100)))
    assert (found == np.arange(100) * 2).all()
    found[0] = 9
    assert len(decoders.run(tasks.doubled, b"")) == 0


def test_pictures_come_back_equal(decoders: Decoders) -> None:
    picture = decoders.run(tasks.red, b"", side=300)
    assert picture.mode == "RGB"
    assert picture.size == (300, 301)
    assert picture.getpixel((299, 300)) == (255, 0, 0)
    data = encoded(Image.radial_gradient("L").convert("RGB"))
    limits = Limits()
    found = decoders.run(decode_image, data, limits=limits)
    assert found.tobytes() == decode_image(data, limits=limits).tobytes()


def test_a_crash_costs_one_item(decoders: Decoders) -> None:
    with pytest.raises(MediaError, match="decoder crashed: signal SIGSEGV"):
        decoders.run(tasks.crash, b"")
    with pytest.raises(MediaError, match="decoder crashed: exit code 3"):
        decoders.run(tasks.leave, b"")
    assert decoders.run(tasks.size, b"abc") == 3


def test_a_hang_is_stopped(decoders: Decoders) -> None:
    decoders.run(tasks.size, b"")
    start = time.perf_counter()
    assert reason(decoders, tasks.hang, seconds=0.3) == "decoder timed out"
    assert time.perf_counter() - start < 2
    assert decoders.run(tasks.size, b"abc") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds RLIMIT_AS")
def test_too_much_memory_is_refused_and_the_worker_lives_on(decoders: Decoders) -> None:
    before = decoders.run(tasks.process, b"")
    assert reason(decoders, tasks.hog) == "out of memory"
    assert decoders.run(tasks.process, b"") == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds RLIMIT_AS")
def test_an_item_that_is_too_large_for_a_worker_has_that_reason() -> None:
    with Decoders(megabytes=64) as decoders:
        with pytest.raises(MediaError, match="out of memory"):
            decoders.run(tasks.size, bytes(100 * 2**20))
        assert decoders.run(tasks.size, b"abc") == 3


def test_errors_come_back_as_they_were_raised(decoders: Decoders) -> None:
    with pytest.raises(MediaError) as caught:
        decoders.run(tasks.refuse, b"")
    assert caught.value.reason == "broken thing"
    assert str(caught.value) == "broken thing: in a test"
    with pytest.raises(KeyError, match="a bug"):
        decoders.run(tasks.mistake, b"")
    with pytest.raises(Exception, match="pickle"):
        decoders.run(tasks.unpicklable, b"")
    assert decoders.run(tasks.size, b"abc") == 3


def test_a_task_that_cannot_be_imported_is_a_mistake_of_the_caller(decoders: Decoders) -> None:
    with pytest.raises(ValueError, match="define it at the top of a module"):
        decoders.run(lambda data: None, b"")
    with pytest.raises(AttributeError):
        decoders.run("tests.media.tasks:absent", b"")


def test_workers_import_decoders_and_nothing_heavier(decoders: Decoders) -> None:
    found = decoders.run(tasks.loaded, b"")
    assert {"av", "PIL", "numpy"} <= set(found)
    assert not {"torch", "dagster", "lancedb", "pyarrow", "pytest"} & set(found)


def test_threads_share_the_pool_each_with_a_worker() -> None:
    with Decoders() as decoders, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: decoders.run(tasks.nap, b""), range(6)))
        assert len(set(found)) == 2


def test_close_ends_the_workers() -> None:
    decoders = Decoders()
    process = decoders.run(tasks.process, b"")
    decoders.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(RuntimeError, match="closed"):
        decoders.run(tasks.size, b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_has_workers_of_its_own(decoders: Decoders) -> None:
    mine = decoders.run(tasks.process, b"")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with Decoders() as _:
            os.write(write, str(decoders.run(tasks.process, b"")).encode())
        decoders.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(read, 100)) != mine
    assert decoders.run(tasks.process, b"") == mine
    os.close(read)
    os.close(write)


@pytest.mark.slow
def test_a_worker_whose_program_is_gone_ends() -> None:
    import signal

    code = (
        "from embed_assets.media.isolation.decoder_pool import Decoders\n"
        "from tests.media import tasks\n"
        "decoders = Decoders()\n"
        "print(decoders.run(tasks.process, b''), flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    state = open(f"/proc/{worker}/stat").read().split()[2]  # noqa: PTH123, SIM115
    assert state == "Z"  # ended; nobody has reaped it


def test_a_worker_that_died_between_items_is_replaced(decoders: Decoders) -> None:
    import signal

    process = decoders.run(tasks.process, b"")
    threads = threading.active_count()  # other tests of this process may have left some
    os.kill(process, signal.SIGKILL)
    time.sleep(0.2)
    assert decoders.run(tasks.process, b"") != process
    assert threading.active_count() <= threads + 2


def test_results_come_one_by_one_and_the_worker_waits(decoders: Decoders) -> None:
    found = list(decoders.stream(tasks.counted, b"", most=4))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert len({process for _, process in found}) == 1
    assert list(decoders.stream(tasks.counted, b"", most=0)) == []
    assert list(decoders.stream(tasks.size, b"abc")) == [3]


def test_the_time_in_which_a_result_is_used_is_not_the_workers(decoders: Decoders) -> None:
    for _ in decoders.stream(tasks.counted, b"", most=3, seconds=0.5):
        time.sleep(0.4)


def test_all_results_together_have_the_seconds_of_the_item(decoders: Decoders) -> None:
    with pytest.raises(MediaError, match="decoder timed out"):
        list(decoders.stream(tasks.counted, b"", most=100, naps=0.1, seconds=0.5))


@pytest.mark.slow
def test_an_error_behind_some_results_is_raised_behind_them(decoders: Decoders) -> None:
    seen = []
    with pytest.raises(MediaError, match="broken end: in a test"):
        seen.extend(number for number, _ in decoders.stream(tasks.counted, b"", most=2, fails=True))
    with pytest.raises(MediaError, match="decoder crashed: signal SIGSEGV"):
        seen.extend(decoders.stream(tasks.crash_behind, b"", most=2))
    with pytest.raises(MediaError, match="decoder timed out"):
        seen.extend(decoders.stream(tasks.hang_behind, b"", most=2, seconds=0.5))
    assert decoders.run(tasks.size, b"abc") == 3


def test_a_worker_whose_rest_nobody_wants_is_kept(decoders: Decoders) -> None:
    results = decoders.stream(tasks.counted, b"", most=10**9)
    _, process = next(results)
    results.close()
    assert decoders.run(tasks.process, b"") == process


def test_a_worker_that_hangs_when_nobody_wants_the_rest_is_stopped(decoders: Decoders) -> None:
    before = decoders.restarts
    results = decoders.stream(tasks.hang_behind, b"", most=2)
    next(results)
    results.close()  # it waits for a word, and then leaves its task
    assert decoders.run(tasks.size, b"abc") == 3
    assert decoders.restarts == before


@pytest.mark.slow
def test_a_result_has_a_size_that_it_may_have(decoders: Decoders) -> None:
    with pytest.raises(MediaError) as caught:
        list(decoders.stream(tasks.zeros, b"", megabytes=257))
    assert caught.value.reason == "too much decoded"
    (found,) = decoders.stream(tasks.zeros, b"", megabytes=200)
    assert len(found) == 200 * 2**20
    with pytest.raises(MediaError) as caught:
        decoders.run(tasks.words, b"", megabytes=257)
    assert caught.value.reason in ("too much decoded", "out of memory")  # it is copied in the worker
    assert len(decoders.run(tasks.words, b"", megabytes=100)) == 100 * 2**20


def test_an_errors_message_has_a_length_that_it_may_have(decoders: Decoders) -> None:
    with pytest.raises(MediaError, match="broken thing") as caught:
        decoders.run(tasks.talkative, b"")
    assert len(str(caught.value)) < 5000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports what a process has mapped")
def test_a_worker_that_keeps_memory_is_replaced() -> None:
    with Decoders(megabytes=256) as decoders:
        first = decoders.run(tasks.kept, b"", megabytes=50)
        assert decoders.run(tasks.kept, b"", megabytes=100) == first
        assert decoders.run(tasks.kept, b"", megabytes=100) != first


def test_an_error_that_nobody_expected_costs_the_item_alone(decoders: Decoders) -> None:
    for task in (tasks.mistake, tasks.lazy):
        with pytest.raises(MediaError) as caught:
            list(decoders.decode(task, b""))
        assert caught.value.reason == "decoder failed"
    with pytest.raises(MediaError, match="broken thing: in a test"):
        list(decoders.decode(tasks.refuse, b""))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports what a process has mapped")
def test_memory_is_released_by_the_workers_that_hold_it() -> None:
    with Decoders(megabytes=512) as decoders, run_cache():
        light = decoders.run(tasks.process, b"")
        decoders.release_memory()
        assert decoders.run(tasks.kept, b"", megabytes=100) == light
        decoders.release_memory()
        with pytest.raises(ProcessLookupError):
            os.kill(light, 0)
        assert decoders.run(tasks.process, b"") != light


def test_workers_may_rest_and_start_again(decoders: Decoders) -> None:
    process = decoders.run(tasks.process, b"")
    decoders.rest()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert decoders.run(tasks.size, b"abc") == 3


@pytest.mark.slow
def test_large_results_of_several_threads_have_their_turns() -> None:
    held, most = [], []

    def use(_: int) -> None:
        for _ in decoders.stream(tasks.zeros, b"", megabytes=150, times=3):
            held.append(1)
            most.append(len(held))
            time.sleep(0.02)
            held.pop()

    with Decoders() as decoders, ThreadPoolExecutor(3) as pool:
        list(pool.map(use, range(3)))
    assert max(most) == 1
    assert len(most) == 9


def test_no_item_is_blamed_where_no_worker_can_start() -> None:
    pytest.importorskip("resource")
    code = (
        "import resource\n"
        "from embed_assets.media.isolation.decoder_pool import Decoders\n"
        "from embed_assets.media.isolation.worker_process import NotStarted\n"
        "from tests.media import tasks\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))\n"
        "try:\n"
        "    list(Decoders().decode(tasks.size, b'abc'))\n"
        "except NotStarted as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("A decoder process did not start: "), done.stderr
