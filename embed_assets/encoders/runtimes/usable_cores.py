"""Usable cores: how many this process may use, by its affinity, its container's CPU quota, and OMP_NUM_THREADS."""

import os
from pathlib import Path

_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000", or "max 100000"
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu")


def usable_cores() -> int:
    """Return at least 1. More threads than this only take turns."""
    limits = [_affinity(), _quota(), _thread_setting()]
    return max(1, min(limit for limit in limits if limit is not None))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _thread_setting() -> int | None:
    """Return OMP_NUM_THREADS, by which a user bounds torch too."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(text) if text.isdigit() and int(text) else None


def _quota() -> int | None:
    """Return the CPU quota in whole cores, rounded up; None without one."""
    quota, _, period = _read(_QUOTA_V2).partition(" ")
    if not quota:
        quota, period = _read(_QUOTA_V1 / "cpu.cfs_quota_us"), _read(_QUOTA_V1 / "cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return -(-int(quota) // int(period))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
