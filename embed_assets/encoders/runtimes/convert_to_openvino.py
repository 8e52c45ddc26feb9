"""Conversion: networks of a torch encoder become files of OpenVINO, kept if their vectors agree with torch's."""

import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.canary_inputs import canary_payloads
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.runtimes.openvino_network import INPUTS, openvino
from embed_assets.errors import in_one_line

if TYPE_CHECKING:
    from torch import Tensor

_one_conversion = threading.Lock()  # what silences warnings does so for all threads, and ends for all


def vectors_alone_and_together(encoder: Encoder) -> dict[str, np.ndarray]:
    """Encode the canaries alone and in one batch: float32 (inputs, dim) under "text" and "text together".

    A batch of sounds or clips, of which there is one canary, holds it twice. The last batch of each network is the
    largest one.
    """
    vectors = {}
    for modality in encoder.spec.modalities:
        prepared = [encoder.prepare(modality, payload) for payload in canary_payloads(encoder.spec, modality)]
        vectors[modality] = np.concatenate([encoder.encode([one]) for one in prepared])
        vectors[f"{modality} together"] = encoder.encode(prepared if len(prepared) > 1 else prepared * 2)
    return vectors


def convert(networks: Networks, recorded: "Mapping[str, tuple[Tensor, ...]]", folder: Path) -> tuple[str, ...]:
    """Write each network that was recorded to `folder`; return their names.

    The model is in float32: the precision is chosen as a network is compiled. `recorded` are inputs of a batch of at
    least two, of whatever precision. Raises whatever the converter does.
    """
    for name, inputs in recorded.items():
        copies = [(tensor.float() if tensor.is_floating_point() else tensor).detach().clone() for tensor in inputs]
        model = _converted(networks, name, copies)
        # By default weights are stored in float16, and vectors would be others.
        openvino().save_model(model, str(folder / f"{name}.xml"), compress_to_fp16=False)
    return tuple(recorded)


def failure(error: Exception) -> str:
    """Return in one line why a conversion failed."""
    return f"{type(error).__name__}: {in_one_line(error)[:200]}"


def _converted(networks: Networks, name: str, inputs: "list[Tensor]") -> Any:
    import torch

    from embed_assets.encoders.loading.checkpoint import quiet

    module = _module(networks.model, networks.functions[name], len(inputs))
    with _one_conversion, torch.no_grad(), warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")  # of the tracer, about shapes; both sizes of a batch are compared below
        model = openvino().convert_model(_traced(module, tuple(inputs)), example_input=tuple(inputs))
    shapes = {}
    for number, port in enumerate(model.inputs):
        # A tracer may name an input after what it becomes; one that nothing depends on is gone.
        named = port.get_names() & set(INPUTS)
        place = INPUTS.index(named.pop()) if named else number
        port.get_tensor().set_names({INPUTS[place]})
        example = inputs[place]
        # Ids have any length; pictures and spectrograms have one size, and only their number varies.
        fixed = [-1, *example.shape[1:]] if example.is_floating_point() else [-1] * example.dim()
        shapes[port] = openvino().PartialShape(fixed)
    model.reshape(shapes)
    return model


def _traced(module: Any, inputs: "tuple[Tensor, ...]") -> Any:
    """Trace the module once: the tracer's own comparison with a second trace is three quarters of a conversion."""
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    return TorchScriptPythonDecoder(module, example_input=inputs, trace_kwargs={"check_trace": False})


def _module(model: Any, function: Callable[..., "Tensor"], count: int) -> Any:
    """Return a module of one function, whose inputs have the names in INPUTS and whose weights are the model's."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

    class One(Module):
        def forward(self, first: "Tensor") -> "Tensor":
            return function(first)

    class Two(Module):
        def forward(self, first: "Tensor", second: "Tensor") -> "Tensor":
            return function(first, second)

    class Three(Module):
        def forward(self, first: "Tensor", second: "Tensor", third: "Tensor") -> "Tensor":
            return function(first, second, third)

    return (One, Two, Three)[count - 1]().eval()
