"""A command's process ends when its work does."""

import subprocess
import sys

_CODE = """
import atexit, logging, sys
from embed_assets.cli.shared.process.quick_exit import end_with, exit_quickly

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
exit_quickly()
atexit.register(print, "handler")
print("work", end=" ")
{end}
sys.exit(3)
"""


def _run(end: str) -> tuple[str, int]:
    done = subprocess.run([sys.executable, "-c", _CODE.format(end=end)], capture_output=True, text=True)
    return done.stdout, done.returncode


def test_what_is_printed_and_registered_is_done_and_the_interpreter_is_not_taken_apart() -> None:
    assert _run("end_with(3)") == ("work handler\n", 3)


def test_what_ends_without_a_status_ends_as_python_does() -> None:
    assert _run("") == ("work handler\ntaken apart\n", 3)


def test_commands_keep_their_output_and_their_status() -> None:
    for arguments, status in ((["--help"], 0), (["no-such-command"], 2), (["status", "--store", "no/such"], 1)):
        code = "from embed_assets.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert (done.stdout if status == 0 else done.stderr).strip()


def test_a_closed_output_leaves_status_and_silence() -> None:
    code = f"{sys.executable} -c 'from embed_assets.cli.main import main; main()' --help"
    for closed in (">&-", "2>&-"):
        done = subprocess.run(["sh", "-c", f"{code} {closed}"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
