"""OpenBLAS's threads do not spin once a product is done."""

import json
import os
import subprocess
import sys

import pytest

from embed_assets.math_threads import TIMEOUT

_SEEN = """
import json, os, sys
{imported}
print(json.dumps([os.environ.get({name!r}), "numpy" in sys.modules]))
"""
_SPINNING = """
import time
from embed_assets.math_threads import let_math_threads_sleep

let_math_threads_sleep()
import numpy as np

left = np.ones((200, 400), np.float32)
right = np.ones((400, 1000), np.float32)
left @ right
began = time.process_time()
for _ in range(10):
    left @ right
    time.sleep(0.1)
print(time.process_time() - began)
"""


def _run(code: str, **environment: str) -> str:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBLAS", "OMP"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=known | environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("module", ["embed_assets.assets.names", "embed_assets.component"])
def test_dagsters_processes_shorten_the_wait_before_numpy_is_there(module: str) -> None:
    assert json.loads(_run(_SEEN.format(imported=f"import {module}", name=TIMEOUT)))[0] == "4"


def test_commands_shorten_it_and_import_no_numpy_for_it() -> None:
    code = "from embed_assets.cli.main import main\nimport sys\nsys.argv[1:] = ['--help']\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass"
    assert json.loads(_run(_SEEN.format(imported=code, name=TIMEOUT)).splitlines()[-1]) == ["4", False]


def test_what_the_environment_sets_stays() -> None:
    code = "from embed_assets.math_threads import let_math_threads_sleep\nlet_math_threads_sleep()"
    assert json.loads(_run(_SEEN.format(imported=code, name=TIMEOUT), OPENBLAS_THREAD_TIMEOUT="20"))[0] == "20"


def test_a_thread_does_not_spin_after_a_product() -> None:
    assert float(_run(_SPINNING)) < 0.5  # CPU seconds; a thread that spins takes all of the second that is slept
