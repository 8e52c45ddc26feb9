"""SentenceEncoder: text to one vector, by any sentence-transformers model or BERT-like transformer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.device import inference
from embed_assets.encoders.loading.identity import hash_config, hash_tensors
from embed_assets.encoders.parts.pooling import MODES, unit_rows
from embed_assets.encoders.runtimes.networks import ConvertedNetwork
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState
from embed_assets.encoders.sentence.chain import Chain
from embed_assets.encoders.sentence.converted_chain import ConvertedChain
from embed_assets.encoders.sentence.layout import read_layout, read_prompts
from embed_assets.encoders.sentence.library import Library
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# model_type of transformers whose last hidden state is a vector per token of a text, read both ways.
TEXT_ENCODERS = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "eurobert",
        "mobilebert",
        "modernbert",
        "mpnet",
        "nomic_bert",
        "roberta",
        "xlm-roberta",
        "xmod",
    }
)


class SentenceEncoder(Encoder):
    """Tokenises in `prepare`, pads to the longest of the batch in `encode`.

    The standard chain of modules runs on transformers alone; any other, and any spec with
    `options={"library": True}`, on sentence-transformers, to the same vectors and the same identity.
    Prompts are the spec's, or the model's own if the spec has none. Pooling and normalising run in
    float32 whatever the model's dtype.
    """

    _parts: Mapping[str, str] = {}  # the identity of a converted chain

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        self.spec, self.device, self.dtype = spec, device, dtype
        pooling = spec.pooling if spec.pooling in MODES else ""
        layout = None if spec.options.get("library") else read_layout(folder, pooling)
        self._model: Chain | Library | ConvertedChain
        if layout is not None:
            self._model = Chain(layout, max_length=spec.max_tokens, device=device, dtype=dtype)
            self.networks = self._model.networks
        else:
            self._model = Library(folder, max_length=spec.max_tokens, device=device, dtype=dtype)
        own = read_prompts(folder)
        self._query_prompt = spec.query_prompt or own.query
        self._document_prompt = spec.document_prompt or own.document
        self._truncate_dim = spec.truncate_dim or own.truncate_dim
        whole = self._vectors([self.prepare("text", "a").data], truncate_dim=None).shape[1]
        if self._truncate_dim is not None and not 0 < self._truncate_dim <= whole:
            raise SettingsError(
                f"Encoder {spec.name!r}: truncate_dim={self._truncate_dim} of vectors with dim {whole}."
            )
        self.dim = self._truncate_dim or whole
        self._check_pooling(pooling)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Tokenise the prompt and the text, cut to the model's limit; cost in tokens."""
        if modality != "text" or not isinstance(payload, str):
            raise SettingsError(
                f"Encoder {self.spec.name!r} takes text as str, not {modality} as {type(payload).__name__}."
            )
        prompt = self._query_prompt if query else self._document_prompt
        tokenizer = self._model.tokenizer
        if tokenizer is None:  # a model of word vectors: a word is as good a unit of cost
            return Prepared(modality="text", cost=max(1, len(payload.split())), data=(prompt, payload))
        encoding = tokenizer.encode(prompt + payload)
        data = (prompt, payload) if isinstance(self._model, Library) else encoding
        return Prepared(modality="text", cost=len(encoding[0]), data=data)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._vectors([prepared.data for prepared in batch], truncate_dim=self._truncate_dim)

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded and the short values that shape a vector."""
        if isinstance(self._model, ConvertedChain):
            return self._parts
        tokenizer = self._model.tokenizer
        return {
            "weights": hash_tensors(self._model.tensors()),
            "config": hash_config(self._model.config),
            "tokenizer": self._model.tokenizer_identity(),
            "tap": "last_hidden_state",
            "pooling": json.dumps(self._model.steps, sort_keys=True, default=str),
            "unit_length": str(self.spec.unit_length),
            "prompts": json.dumps([self._query_prompt, self._document_prompt], ensure_ascii=False),
            "truncation": str(tokenizer.limit if tokenizer else self.spec.max_tokens),
            "truncate_dim": str(self._truncate_dim),
            "dtype": self.dtype,
        }

    def tokenizer(self) -> "Tokenizer | None":
        """Return a new copy, without truncation and padding."""
        return self._model.tokenizer.bare() if self._model.tokenizer else None

    @property
    def max_tokens(self) -> int | None:
        """Room for a segment beside special tokens and the document prompt."""
        return self._model.tokenizer.room(self._document_prompt) if self._model.tokenizer else None

    def torch_free_state(self) -> TorchFreeState | None:
        """Return the chain's state with the prompts; None of a model that the library runs."""
        if not isinstance(self._model, Chain):
            return None
        chain = self._model.torch_free_state()
        own = {
            "query_prompt": self._query_prompt,
            "document_prompt": self._document_prompt,
            "truncate_dim": self._truncate_dim,
            "dim": self.dim,
        }
        return TorchFreeState(values={"chain": chain.values, **own}, arrays=chain.arrays)

    @classmethod
    def torch_free(
        cls,
        spec: EncoderSpec,
        state: TorchFreeState,
        networks: Mapping[str, ConvertedNetwork],
        *,
        parts: Mapping[str, str],
        dtype: str,
    ) -> "SentenceEncoder":
        """Build the encoder of a converted chain."""
        encoder, values = cls.__new__(cls), state.values
        encoder.spec, encoder.device, encoder.dtype = spec, "cpu", dtype
        encoder._model = ConvertedChain(TorchFreeState(values=values["chain"], arrays=state.arrays), networks)
        encoder._query_prompt, encoder._document_prompt = values["query_prompt"], values["document_prompt"]
        encoder._truncate_dim, encoder.dim = values["truncate_dim"], values["dim"]
        encoder._parts = parts
        return encoder

    def _vectors(self, items: list[Any], *, truncate_dim: int | None) -> np.ndarray:
        if isinstance(self._model, ConvertedChain):
            vectors = self._model.encode(items)[:, :truncate_dim]
            return np.ascontiguousarray(unit_rows(vectors) if self.spec.unit_length else vectors)
        import torch

        with inference(self.device):
            vectors = self._model.encode(items).float()[:, :truncate_dim]
            if self.spec.unit_length:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return vectors.contiguous().cpu().numpy()

    def _check_pooling(self, declared: str) -> None:
        """Refuse a spec that names another pooling than the folder's: it would be either ignored or wrong."""
        pooled = [step[1] for step in self._model.steps if step[0] == "pooling"]
        if declared and pooled and pooled != [[declared]]:
            raise SettingsError(
                f"Encoder {self.spec.name!r}: the spec has pooling={declared!r}, the model is saved with "
                f"{'+'.join(pooled[0])!r}. Leave the spec's pooling empty to take the model's own."
            )


FAMILY = Family(
    name="sentence",
    encoder=SentenceEncoder,
    defaults={"modalities": ("text",), "media": ("text",), "space": "text"},
    recognises=lambda model: model.has_modules or model.model_type in TEXT_ENCODERS,
    models="sentence-transformers and BERT-like transformers",
)
ENCODERS = (
    FAMILY.spec(
        "minilm",
        "sentence-transformers/all-MiniLM-L6-v2",
        dim=384,
        tap="last_hidden_state",
        pooling="mean",
        license="Apache-2.0",
        download_mb=91,
        source="MiniLM, Wang et al. 2020, arXiv:2002.10957; card sentence-transformers/all-MiniLM-L6-v2",
    ),
    FAMILY.spec(
        "mpnet",
        "sentence-transformers/all-mpnet-base-v2",
        dim=768,
        tap="last_hidden_state",
        pooling="mean",
        license="Apache-2.0",
        download_mb=438,
        source="MPNet, Song et al. 2020, arXiv:2004.09297; card sentence-transformers/all-mpnet-base-v2",
    ),
    FAMILY.spec(
        "bert-base",
        "google-bert/bert-base-uncased",
        dim=768,
        tap="last_hidden_state",
        pooling="mean",
        license="Apache-2.0",
        download_mb=440,
        source="BERT, Devlin et al. 2018, arXiv:1810.04805; card google-bert/bert-base-uncased",
    ),
    FAMILY.spec(
        "e5-small",
        "intfloat/multilingual-e5-small",
        dim=384,
        tap="last_hidden_state",
        pooling="mean",
        license="MIT",
        download_mb=471,
        source="Multilingual E5, Wang et al. 2024, arXiv:2402.05672; card intfloat/multilingual-e5-small",
        query_prompt="query: ",
        document_prompt="passage: ",
    ),
    # Published as a pickle: convert it once, as the error says, and set `model` to the new folder.
    FAMILY.spec(
        "bge-m3",
        "BAAI/bge-m3",
        dim=1024,
        tap="last_hidden_state",
        pooling="cls",
        license="MIT",
        download_mb=2271,
        source="BGE-M3, Chen et al. 2024, arXiv:2402.03216; card BAAI/bge-m3",
    ),
    # Matryoshka: truncate_dim of 512, 256, 128 or 64 is what it was trained for.
    FAMILY.spec(
        "nomic-v1.5",
        "nomic-ai/nomic-embed-text-v1.5",
        dim=768,
        tap="last_hidden_state",
        pooling="mean",
        license="Apache-2.0",
        download_mb=547,
        source="Nomic Embed, Nussbaum et al. 2024, arXiv:2402.01613; card nomic-ai/nomic-embed-text-v1.5",
        query_prompt="search_query: ",
        document_prompt="search_document: ",
    ),
)
