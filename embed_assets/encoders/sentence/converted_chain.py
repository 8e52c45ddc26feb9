"""The standard chain of sentence-transformers on a converted network: tokenizers and numpy, without torch."""

from collections.abc import Mapping, Sequence

import numpy as np

from embed_assets.encoders.parts.pooling import pool_arrays, unit_rows
from embed_assets.encoders.parts.tokens import BatchTokenizer, Encoding
from embed_assets.encoders.runtimes.networks import ConvertedNetwork
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState


class ConvertedChain:
    """The vectors of `Chain`, within 1e-5, of the state that it gave and of its network "tokens"."""

    def __init__(self, state: TorchFreeState, networks: Mapping[str, ConvertedNetwork]) -> None:
        self._values, self._arrays, self._network = state.values, state.arrays, networks["tokens"]
        self.tokenizer = BatchTokenizer.restored(self._values["tokenizer"])
        self.steps = self._values["steps"]

    def encode(self, batch: Sequence[Encoding]) -> np.ndarray:
        """Encode one padded batch: float32, (len(batch), dim)."""
        inputs = self.tokenizer.pad_arrays(batch)
        tokens = self._network(*(inputs[name] for name in self._values["inputs"]))
        vectors = pool_arrays(tokens, inputs["attention_mask"], self._values["modes"])
        for index, activation in enumerate(self._values["activations"]):
            vectors = vectors @ self._arrays[f"{index}.weight"].T
            if (bias := self._arrays.get(f"{index}.bias")) is not None:
                vectors = vectors + bias
            vectors = np.tanh(vectors) if activation == "Tanh" else vectors
        return unit_rows(vectors) if self._values["normalize"] else vectors
