"""The standard chain of sentence-transformers, run on transformers alone.

A cold start of MiniLM (import, load, one text) takes 8.2 CPU seconds with this chain, 10.9 with the library, whose
import is most of the difference (`benchmarks/sentence.py`: 25 % saved, medians of five on two cores); a test holds both
to one vector.
"""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_assets.encoders.loading.check_files import read_config
from embed_assets.encoders.loading.checkpoint import load_model, load_tokenizer
from embed_assets.encoders.parts.pooling import pool
from embed_assets.encoders.parts.tokens import BatchTokenizer, Encoding, lower_case, text_limit
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState
from embed_assets.encoders.sentence.layout import Layout
from embed_assets.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_ALWAYS = ("input_ids", "attention_mask")  # that a tokenizer gives
_INPUTS = (*_ALWAYS, "token_type_ids")


class Chain:
    """Transformer, pooling, dense layers, normalising: (len(batch), dim) float32."""

    def __init__(self, layout: Layout, *, max_length: int | None, device: str, dtype: str) -> None:
        import transformers

        self.layout, self.device = layout, device
        model_class = getattr(transformers, layout.model_class)
        self.model = load_model(model_class, layout.transformer, dtype=dtype, unused=("pooler.",)).to(device)
        self.config = self.model.config.to_dict()
        if hasattr(self.model.config, "use_cache"):
            self.model.config.use_cache = False
        tokenizer = load_tokenizer(layout.transformer)
        if layout.lower_case:
            lower_case(tokenizer)
        limit = text_limit(tokenizer, self.model.config, layout.max_length, max_length)
        self.tokenizer = BatchTokenizer(tokenizer, limit=limit)
        self.steps: list[Any] = [["pooling", list(layout.modes)]]
        self.dense = [self._load_dense(folder, activation) for folder, activation in layout.dense]
        self.steps += [["normalize"]] if layout.normalize else []
        accepted = set(inspect.signature(self.model.forward).parameters)
        self.inputs = [name for name in _INPUTS if name in accepted and name in (*_ALWAYS, *self.tokenizer.names)]
        self.networks = Networks(self.model, tokens=self._tokens)

    def encode(self, batch: Sequence[Encoding]) -> "Tensor":
        """Encode one padded batch."""
        import torch

        inputs = {name: ids.to(self.device) for name, ids in self.tokenizer.pad(batch).items()}
        tokens = self.networks.run("tokens", *(inputs[name] for name in self.inputs))
        vectors = pool(tokens, inputs["attention_mask"], self.layout.modes)
        for weight, bias, activation in self.dense:
            vectors = torch.nn.functional.linear(vectors, weight, bias)
            vectors = vectors.tanh() if activation == "Tanh" else vectors
        return torch.nn.functional.normalize(vectors, dim=1) if self.layout.normalize else vectors

    def torch_free_state(self) -> TorchFreeState:
        """Return what `ConvertedChain` is built of beside the network."""
        values = {
            "tokenizer": self.tokenizer.state(),
            "inputs": self.inputs,
            "modes": list(self.layout.modes),
            "activations": [activation for _, _, activation in self.dense],
            "normalize": self.layout.normalize,
            "steps": self.steps,
        }
        arrays = {}
        for index, (weight, bias, _) in enumerate(self.dense):
            arrays[f"{index}.weight"] = weight.numpy()
            if bias is not None:
                arrays[f"{index}.bias"] = bias.numpy()
        return TorchFreeState(values=values, arrays=arrays)

    def tensors(self) -> "Iterator[tuple[str, Tensor]]":
        """Iterate over the tensors, without the pooler: no vector passes it, and a checkpoint may lack it."""
        for name, tensor in self.model.state_dict().items():
            if not name.startswith("pooler."):
                yield f"0.{name}", tensor
        for index, (weight, bias, _) in enumerate(self.dense, start=2):
            yield f"{index}.linear.weight", weight
            if bias is not None:
                yield f"{index}.linear.bias", bias

    def tokenizer_identity(self) -> str:
        """Hash everything that turns a text into ids."""
        return self.tokenizer.identity()

    def _tokens(self, *inputs: "Tensor") -> "Tensor":
        """Return the last hidden state, (batch, length, width), of the inputs that the model takes."""
        return self.model(**dict(zip(self.inputs, inputs, strict=True))).last_hidden_state

    def _load_dense(self, folder: Path, activation: str) -> "tuple[Tensor, Tensor | None, str]":
        from safetensors.torch import load_file

        file = folder / "model.safetensors"
        if not file.is_file():
            raise WeightsError(f"{folder} has no model.safetensors; only safetensors are loaded.")
        tensors = {name: tensor.float().to(self.device) for name, tensor in load_file(file).items()}
        biased = read_config(folder / "config.json").get("bias", True)
        for name in ("linear.weight", "linear.bias") if biased else ("linear.weight",):
            if name not in tensors:
                raise WeightsError(f"{file} lacks {name}. Get it again.")
        self.steps.append(["dense", activation])
        return tensors["linear.weight"], tensors.get("linear.bias"), activation
