"""Choice of the runtime: torch or OpenVINO, by the setting, the device, the dtype and what is installed; and why."""

from dataclasses import dataclass

from embed_assets.encoders.loading.find_weights import API, BUILTIN
from embed_assets.encoders.runtimes.openvino_network import PRECISIONS, is_installed
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError

RUNTIMES = ("auto", "torch", "openvino")


@dataclass(frozen=True, kw_only=True)
class RuntimeChoice:
    """A runtime, and why it is the one, in words that follow "because"."""

    runtime: str  # torch, openvino; numpy of built-in models, server of those behind an API
    reason: str


def choose_runtime(setting: str, spec: EncoderSpec, *, device: str, dtype: str) -> RuntimeChoice:
    """Return the runtime to load the encoder with. Whether its networks can be converted, only loading shows.

    `device` is a device that is present. Raises SettingsError where the setting is openvino and it can't be had.
    """
    if spec.model.startswith(BUILTIN):
        return RuntimeChoice(runtime="numpy", reason="the model is code without networks")
    if spec.model.startswith(API):
        return RuntimeChoice(runtime="server", reason="the model is on a server")
    if setting == "torch":
        return RuntimeChoice(runtime="torch", reason="compute.runtime is torch")
    obstacle, way_out = _obstacle(device, dtype)
    if not obstacle:
        return RuntimeChoice(runtime="openvino", reason=f"compute.runtime is {setting} and the device is the CPU")
    if setting == "openvino":
        raise SettingsError(f"compute.runtime: openvino can't run encoder {spec.name!r}: {obstacle}. {way_out}")
    return RuntimeChoice(runtime="torch", reason=obstacle)


def _obstacle(device: str, dtype: str) -> tuple[str, str]:
    """Return why OpenVINO can't be used, and the way out; two empty texts where it can."""
    if device != "cpu":
        return f"the device is {device}, and OpenVINO runs on the CPU", "Set compute.device to cpu, or runtime to auto."
    if dtype not in PRECISIONS:
        return f"OpenVINO has no {dtype} on a CPU", "Set compute.dtype to float32 or bfloat16, or runtime to auto."
    if not is_installed():
        return "openvino is not installed", "Run: pip install 'embed-assets[openvino]'. Or set compute.runtime to auto."
    return "", ""
