"""TwoTowers: shared by encoders of texts and another medium in one space; converted, texts need no torch."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.parts.kept_processor import KeptProcessor
from embed_assets.encoders.parts.media_encoder import one_modality, refusal
from embed_assets.encoders.parts.pooling import unit_rows
from embed_assets.encoders.parts.tokens import BatchTokenizer
from embed_assets.encoders.runtimes.networks import ConvertedNetwork, Networks
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TwoTowers(Encoder):
    """Networks "text" and one named as the other medium, which give projected vectors, (batch, width).

    A family sets `networks`, `dim`, `_tokenizer` and `_processor`, and gives `_pixels` and `_loaded_identity`.
    """

    medium: ClassVar[Modality] = "image"
    takes: ClassVar[str] = "text as str and images as PIL images"
    kept: ClassVar[tuple[str, ...]] = ("dim",)  # attributes that JSON can hold, of an encoder without torch
    tokenizer_class: ClassVar[type[BatchTokenizer]] = BatchTokenizer

    _tokenizer: Any  # a BatchTokenizer, or code with its methods
    _processor: KeptProcessor
    _parts: Mapping[str, str] | None = None  # the identity, where no weights are there to be hashed

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Tokenise a text (cost in tokens), or make pixels of the other medium (cost in their number)."""
        if modality == "text" and isinstance(payload, str):
            prompt = self.spec.query_prompt if query else self.spec.document_prompt
            encoding = self._tokenizer.encode(prompt + payload)
            return Prepared(modality="text", cost=len(encoding[0]), data=encoding)
        if modality != self.medium:
            raise refusal(self.spec, modality, payload, self.takes)
        pixels = self._pixels(payload)
        return Prepared(modality=self.medium, cost=pixels.shape[-2] * pixels.shape[-1], data=pixels)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        modality = one_modality(batch)
        items = [prepared.data for prepared in batch]
        inputs = self._text_inputs(items) if modality == "text" else self._medium_inputs(items)
        vectors = self.networks.run_arrays(modality, *inputs, device=self.device, dtype=self.dtype)[:, : self.dim]
        return np.ascontiguousarray(unit_rows(vectors) if self.spec.unit_length else vectors)

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded and the short values that shape a vector."""
        return self._loaded_identity() if self._parts is None else self._parts

    def tokenizer(self) -> "Tokenizer | None":
        """Return a new copy, without truncation and padding."""
        return self._tokenizer.bare()

    @property
    def max_tokens(self) -> int | None:
        """Room for a text beside special tokens and the document prompt."""
        return self._tokenizer.room(self.spec.document_prompt)

    def torch_free_state(self) -> TorchFreeState | None:
        """Return tokenizer, processor and sizes; None where one of them can't be made of values again."""
        processor = self._processor.state()
        if processor is None or not isinstance(self._tokenizer, BatchTokenizer):
            return None
        sizes = {name: getattr(self, name) for name in self.kept}
        return TorchFreeState(values={"tokenizer": self._tokenizer.state(), "processor": processor, "sizes": sizes})

    @classmethod
    def torch_free(
        cls,
        spec: EncoderSpec,
        state: TorchFreeState,
        networks: Mapping[str, ConvertedNetwork],
        *,
        parts: Mapping[str, str],
        dtype: str,
    ) -> "TwoTowers":
        """Build the encoder on converted networks; its processor is made with the first medium that needs it."""
        encoder = cls.__new__(cls)
        encoder.spec, encoder.device, encoder.dtype = spec, "cpu", dtype
        encoder._tokenizer = cls.tokenizer_class.restored(state.values["tokenizer"])
        encoder._processor = KeptProcessor(state=state.values["processor"])
        for name in cls.kept:
            setattr(encoder, name, state.values["sizes"][name])
        encoder.networks = Networks.of_converted(networks)
        encoder._parts = parts
        return encoder

    @abstractmethod
    def _pixels(self, payload: Any) -> np.ndarray:
        """Return what the medium's network takes of one payload: float32, (…, height, width)."""

    @abstractmethod
    def _loaded_identity(self) -> Mapping[str, str]:
        """Return the identity of the model that torch loaded."""

    def _text_inputs(self, items: list[Any]) -> tuple[np.ndarray, ...]:
        inputs = self._tokenizer.pad_arrays(items)
        return inputs["input_ids"], inputs["attention_mask"]

    def _medium_inputs(self, items: list[Any]) -> tuple[np.ndarray, ...]:
        return (np.stack(items),)
