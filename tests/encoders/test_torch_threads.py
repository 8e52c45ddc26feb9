"""Torch's threads: asleep while they wait, and no more than this process has cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embed_assets.encoders.runtimes import torch_threads, usable_cores
from embed_assets.encoders.runtimes.torch_threads import WAITING, bounded_torch_threads


def test_the_environment_is_set_for_the_first_import_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != "torch"})
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    with bounded_torch_threads():
        assert {name: os.environ[name] for name in WAITING} == WAITING
    assert not WAITING.keys() & os.environ.keys()


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != "torch"})
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    with bounded_torch_threads():
        assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_more_threads_than_the_container_has_cores_are_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    before = torch.get_num_threads()
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(usable_cores, "_QUOTA_V2", tmp_path / "cpu.max")
    try:
        torch.set_num_threads(3)
        with bounded_torch_threads():
            pass
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_fewer_threads_that_the_program_set_stay(monkeypatch: pytest.MonkeyPatch):
    import torch

    monkeypatch.setattr(torch_threads, "usable_cores", lambda: 8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with bounded_torch_threads():
            pass
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_openmp_of_a_loaded_encoder_waits_passively(tiny_bert: Path):
    code = (
        "from embed_assets.encoders.registry import load_encoder, spec_for\n"
        f"load_encoder(spec_for({str(tiny_bert)!r}), device='cpu')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "OMP_DISPLAY_ENV": "VERBOSE"},
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    assert "GOMP_SPINCOUNT = '0'" in shown, shown
