"""ApiEncoder: texts, by the OpenAI embeddings API or a server with the same protocol."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.parts.embeddings_client import Answer, ApiOptions, EmbeddingsClient
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError, MediaError, SettingsError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PREFIX = "api:openai/"
DEVICE = "api"  # where it runs, and what a batch's budget goes by

# The provider's limits. A token is at least one byte of UTF-8, so bytes bound tokens without the
# provider's tokenizer, whose vocabulary is a download.
MAX_TOKENS = 8191
MAX_REQUEST_TOKENS = 300_000
MAX_INPUTS = 2048
MIN_REQUEST_BYTES = 16_384  # a batch is not split into requests smaller than this

CANARIES = (
    "A canary is carried into the mine to notice what the miners can't.",
    "def area(radius): return 3.14159 * radius ** 2",
    "Der Zug nach Kopenhagen fährt heute von Gleis sieben ab.",
)


class ApiEncoder(Encoder):
    """Vectors of texts as the server returns them, brought to unit length.

    Tokens are counted as bytes of UTF-8, an upper bound: a chunk of 8191 bytes always fits. Texts are
    cut there in segmenting mode "whole". `truncate_dim` is sent as `dimensions`.

    The identity is the model's names, the dimensions, and a canary: where the largest number of each
    vector of three fixed texts stands. Servers answer the same text with differences up to 1e-4, so
    equal numbers can't be expected; positions move in at most 1 of 50 models at that noise, and all
    move with other weights. A small change of the weights goes unseen. Option `canary=False` leaves
    the canary out, for a server that is noisier than that; then the model's name alone is the identity.
    """

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        self.spec, self.device, self.dtype = spec, DEVICE, dtype
        if not spec.model.startswith(PREFIX) or spec.model == PREFIX:
            raise SettingsError(f"Encoder {spec.name!r}: model {spec.model!r}; expected {PREFIX}MODEL.")
        self.model = spec.model.removeprefix(PREFIX)
        self.options = ApiOptions.of(spec)
        self.billed_tokens = 0  # as the server counts them, since this encoder was loaded
        self._client = EmbeddingsClient(spec, self.model, self.options)
        self._limit = spec.max_tokens or MAX_TOKENS
        self._canary: Answer | None = None
        self.dim = spec.truncate_dim or spec.dim or self._canaries().vectors.shape[1]

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Put the prompt before the text and cut both to the limit; cost in bytes. Sends nothing.

        Raises MediaError "empty text", which the API refuses together with the rest of its request.
        """
        if modality != "text" or not isinstance(payload, str):
            raise SettingsError(
                f"Encoder {self.spec.name!r} takes text as str, not {modality} as {type(payload).__name__}."
            )
        text = (self.spec.query_prompt if query else self.spec.document_prompt) + payload
        try:
            data = text.encode()[: self._limit]
        except UnicodeEncodeError as error:
            raise MediaError("not text", "half of a surrogate pair") from error
        if not data:
            raise MediaError("empty text", "an API has no vector for it")
        return Prepared(modality="text", cost=len(data), data=data.decode(errors="ignore"))

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim). A vector of zeros becomes NaN if unit length is promised."""
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        texts = [prepared.data for prepared in batch]
        cuts = request_slices([prepared.cost for prepared in batch], self.options.max_concurrency)
        answers = self._client.embed_many([texts[cut] for cut in cuts])
        self.billed_tokens += sum(answer.tokens for answer in answers)
        for answer in answers:
            self._check_dim(answer)
        vectors = np.concatenate([answer.vectors for answer in answers])
        return _unit(vectors) if self.spec.unit_length else vectors

    def identity(self) -> Mapping[str, str]:
        """Return names, dimensions and canary; the server's address, the key and their options move no vector."""
        parts = {
            "api": "openai",
            "model": self.model,
            "dimensions": str(self.spec.truncate_dim or "the model's own"),
            "prompts": json.dumps([self.spec.query_prompt, self.spec.document_prompt], ensure_ascii=False),
            "max_bytes": str(self._limit),
            "unit_length": str(self.spec.unit_length),
        }
        if self.options.canary:
            answer = self._canaries()
            strongest = np.abs(answer.vectors).argmax(axis=1)
            parts |= {"served_model": answer.served_model, "canary": " ".join(map(str, strongest))}
        return parts

    def tokenizer(self) -> "Tokenizer":
        """Return a tokenizer with one token for each byte of UTF-8."""
        return _byte_tokenizer()

    @property
    def max_tokens(self) -> int:
        """Bytes that a text may have beside the document prompt."""
        return max(1, self._limit - len(self.spec.document_prompt.encode()))

    def _canaries(self) -> Answer:
        """Embed the canaries, once in an encoder's life; loading a version for a search sends no request."""
        if self._canary is None:
            self._canary = self._client.embed(CANARIES)
            self.billed_tokens += self._canary.tokens
        return self._canary

    def _check_dim(self, answer: Answer) -> None:
        if answer.vectors.shape[1] != self.dim:
            raise EncoderOutputError(
                f"Encoder {self.spec.name!r}: the server gives vectors of dim {answer.vectors.shape[1]}; expected "
                f"{self.dim}. Set dim in the encoder's settings, or correct its model ({self.model})."
            )


def request_slices(costs: Sequence[int], concurrency: int) -> list[slice]:
    """Cut a batch into requests within the provider's limits; a large one into as many as may be in flight."""
    share = -(-sum(costs) // concurrency)
    limit = min(MAX_REQUEST_TOKENS, max(MIN_REQUEST_BYTES, share))
    return list(_slices(costs, limit))


def _slices(costs: Sequence[int], limit: int) -> Iterator[slice]:
    start, size = 0, 0
    for index, cost in enumerate(costs):
        if index > start and (size + cost > limit or index - start == MAX_INPUTS):
            yield slice(start, index)
            start, size = index, 0
        size += cost
    yield slice(start, len(costs))


def _unit(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=1)
def _byte_tokenizer() -> "Tokenizer":
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import BPE

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({character: index for index, character in enumerate(alphabet)}, []))
    setattr(tokenizer, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=False))  # noqa: B010 - untyped
    return tokenizer


FAMILY = Family(
    name="embeddings_api",
    encoder=ApiEncoder,
    defaults={"modalities": ("text",), "media": ("text",), "space": "text", "extra": "openai"},
    recognises=lambda model: model.name.startswith(PREFIX),
)
ENCODERS = (
    # On a server: nothing is downloaded, what is encoded is paid for.
    FAMILY.spec(
        "openai-3-small",
        "api:openai/text-embedding-3-small",
        dim=1536,
        license="OpenAI's terms",
        download_mb=0.0,
        source="OpenAI 2024, guide to embeddings; price in US dollars as of then",
        options={"price_per_million_tokens": 0.02},
    ),
    FAMILY.spec(
        "openai-3-large",
        "api:openai/text-embedding-3-large",
        dim=3072,
        license="OpenAI's terms",
        download_mb=0.0,
        source="OpenAI 2024, guide to embeddings; price in US dollars as of then",
        options={"price_per_million_tokens": 0.13},
    ),
    FAMILY.spec(
        "openai-ada-002",
        "api:openai/text-embedding-ada-002",
        dim=1536,
        license="OpenAI's terms",
        download_mb=0.0,
        source="OpenAI 2022, guide to embeddings; price in US dollars as of then",
        options={"price_per_million_tokens": 0.1},
    ),
)
