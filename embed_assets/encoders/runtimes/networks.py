"""Networks: the parts of a model that are functions of tensors, run by torch or by another runtime's conversion."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

# A converted network: arrays in the order of the function's tensors → float32 array.
ConvertedNetwork = Callable[..., np.ndarray]


class Networks:
    """Functions of a torch model by name, none by default; a family makes them once, and runs them by `run`.

    Each takes one to three tensors whose first dimension is the batch, and returns one tensor. What comes after
    (pooling in float32, unit length) stays with the family, so that no runtime's precision enters it.
    """

    def __init__(self, model: Any = None, **functions: Callable[..., "Tensor"]) -> None:
        self.model = model
        self.functions = functions
        self._converted: Mapping[str, ConvertedNetwork] = {}
        self._recorded: dict[str, tuple[Tensor, ...]] | None = None

    @classmethod
    def of_converted(cls, converted: Mapping[str, ConvertedNetwork]) -> "Networks":
        """Return networks that were converted before: no model of torch is there."""
        networks = cls()
        networks._converted = dict(converted)
        return networks

    def run_arrays(self, name: str, *inputs: np.ndarray, device: str, dtype: str) -> np.ndarray:
        """Return the output of one network as float32; only a network that torch runs imports torch.

        Torch gets the inputs on its device, and those of floats in its dtype.
        """
        if name in self._converted:
            return self._converted[name](*inputs)
        import torch

        from embed_assets.encoders.loading.device import inference, torch_dtype

        tensors = [torch.from_numpy(each) for each in inputs]
        placed = [each.to(device, torch_dtype(dtype) if each.is_floating_point() else each.dtype) for each in tensors]
        with inference(device):
            return self.run(name, *placed).float().cpu().numpy()

    def run(self, name: str, *inputs: "Tensor") -> "Tensor":
        """Return the output of one network: of torch on the tensors' device, or float32 of its conversion."""
        if name in self._converted:
            return self._run_converted(name, inputs)
        if self._recorded is not None:
            self._recorded[name] = inputs
        return self.functions[name](*inputs)

    @contextmanager
    def recording(self) -> "Iterator[dict[str, tuple[Tensor, ...]]]":
        """Keep the latest inputs of each network that runs inside the block."""
        self._recorded = {}
        try:
            yield self._recorded
        finally:
            self._recorded = None

    def replace(self, converted: Mapping[str, ConvertedNetwork]) -> None:
        """Run conversions from now on, and free the memory of torch's weights."""
        self._converted = dict(converted)
        self.model.to("meta")

    @property
    def replaced(self) -> bool:
        """Whether conversions run: the model has no weights then."""
        return bool(self._converted)

    def _run_converted(self, name: str, inputs: "tuple[Tensor, ...]") -> "Tensor":
        import torch

        arrays = [(tensor.float() if tensor.is_floating_point() else tensor).numpy() for tensor in inputs]
        return torch.from_numpy(self._converted[name](*arrays))
