"""Encoder: the interface of every family; prepare on threads, encode in batches, name the identity."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.runtimes.networks import ConvertedNetwork, Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState


@dataclass(frozen=True, slots=True)
class Prepared:
    """One segment, ready for the model: tokenised or resized.

    `cost` is what a batch budget counts: tokens of a text, pixels of a picture or of all frames of a
    clip, and for sounds the pixels of a picture of equal work (224 x 224 a second if nothing else is known).
    """

    modality: Modality
    cost: int
    data: Any


class Encoder(ABC):
    """A loaded model. Constructed by the registry as `Class(spec, folder=..., device=..., dtype=...)`.

    `prepare` may be called from several threads; `encode` is called by one thread at a time.
    """

    spec: EncoderSpec
    dim: int
    device: str
    dtype: str
    networks: Networks = Networks()  # what another runtime may run
    runtime: str = "torch"  # torch, openvino; numpy of built-in models, server of those behind an API
    runtime_reason: str = ""  # why, in words that follow "because"
    unchecked: frozenset[Modality] = frozenset()  # modalities whose canaries nobody needed since it was loaded

    @abstractmethod
    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Turn a segment's payload into the model's input, on a CPU thread.

        A text is a str, a picture an RGB `PIL.Image.Image`, audio a `media.payload.Sound` at the spec's
        sample rate, video a `media.payload.Clip` with the spec's number of frames.

        `query=True` applies the query prompt instead of the document prompt, where the model has them.
        """

    @abstractmethod
    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Encode one batch of one modality: float32, (len(batch), dim), in input order.

        Unit length if the spec has it; the same vector whatever else is in the batch, within 1e-5.
        An empty batch gives shape (0, dim).
        """

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """Return everything loaded that moves a vector, as name → sha256 or short value; equal identity, equal vectors.

        Weights, config, tokenizer, preprocessing, pooling, prompts, truncation, dtype, each under its
        own name, so that a difference between two versions has a name. No path, no device.
        """

    def tokenizer(self) -> "Tokenizer | None":
        """Return the tokenizer that chunks are measured with (no truncation, no padding), or None."""
        return None

    @property
    def max_tokens(self) -> int | None:
        """Most tokens a text segment may have, special tokens and document prompt taken off; or None."""
        return None

    def torch_free_state(self) -> "TorchFreeState | None":
        """Return what `torch_free` builds the encoder of, beside its networks; None where it needs torch for more."""
        return None

    @classmethod
    def torch_free(
        cls,
        spec: EncoderSpec,
        state: "TorchFreeState",
        networks: Mapping[str, ConvertedNetwork],
        *,
        parts: Mapping[str, str],
        dtype: str,
    ) -> "Encoder":
        """Build the encoder whose identity is `parts` without torch, of the state that `torch_free_state` gave.

        Raises EncoderOutputError for a class that gives such a state and lacks this method.
        """
        raise EncoderOutputError(
            f"Encoder {spec.name!r} gave a state to build it of without torch, but {cls.__name__} has no method "
            "torch_free. Write it, or return None from torch_free_state."
        )
