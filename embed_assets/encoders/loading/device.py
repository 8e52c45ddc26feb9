"""Device and dtype: from names in the settings to those of torch, checked."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.encoders.runtimes.torch_threads import bounded_torch_threads
from embed_assets.errors import SettingsError

if TYPE_CHECKING:
    import torch

_ACCELERATOR_FILES = ("nvidia*", "nvhost*", "nvmap", "dxg", "kfd")  # NVIDIA; its Tegra; Windows' Linux; AMD
DTYPES = ("float32", "bfloat16", "float16")


def resolve_device(device: str) -> str:
    """Return the name of a device that is present: `auto` takes cuda, then mps, then cpu.

    A device that the settings name and that is absent is an error: falling back to the CPU would silently
    turn an hour into a day.
    """
    kind, _, number = checked_device_name(device).partition(":")
    if device == "cpu":
        return device
    if kind == "auto" and not _may_have_accelerator():
        return "cpu"
    with bounded_torch_threads():
        import torch

    if kind == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= count:
            raise SettingsError(
                f"Device {device!r} is missing: torch {torch.__version__} sees {count} CUDA device(s). "
                "Set device to auto or cpu, or install a torch built for this machine's driver."
            )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("Device 'mps' is missing. Set device to auto or cpu.")
    return device


def _may_have_accelerator() -> bool:
    """Return whether torch has to tell, whose import takes seconds: on Linux a driver has left its device file."""
    if sys.platform != "linux" or "torch" in sys.modules:
        return True
    return any(True for pattern in _ACCELERATOR_FILES for _ in Path("/dev").glob(pattern))


def checked_device_name(device: str) -> str:
    """Return the name of a device, absent or not. Raises SettingsError where it is none."""
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdigit())):
        raise SettingsError(f"Unknown device {device!r}. Use auto, cpu, cuda, cuda:<number> or mps.")
    return device


def torch_dtype(name: str) -> "torch.dtype":
    """Return the torch dtype of a name in the settings."""
    import torch

    if name not in DTYPES:
        raise SettingsError(f"Unknown dtype {name!r}. Use one of {', '.join(DTYPES)}.")
    return getattr(torch, name)


@contextmanager
def inference(device: str) -> Iterator[None]:
    """Run without gradients, and on CUDA without TF32 in convolutions, which torch turns on by default.

    With it a float32 vector would depend on the device at about 1e-3, and one encoder version could
    hold two kinds of vectors.
    """
    import torch

    with torch.inference_mode():
        if not device.startswith("cuda"):
            yield
            return
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
