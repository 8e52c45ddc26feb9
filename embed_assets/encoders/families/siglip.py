"""SiglipEncoder: pictures and text in one space, by SigLIP and SigLIP 2 at a fixed resolution."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.families.clip import ClipEncoder
from embed_assets.encoders.families.vision import load_processor
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model, load_tokenizer
from embed_assets.encoders.loading.identity import canonical_hash
from embed_assets.encoders.parts.kept_processor import KeptProcessor
from embed_assets.encoders.parts.tokens import BatchTokenizer, Encoding, lower_case
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor


class FixedLength(BatchTokenizer):
    """A tokenizer that pads each text to `width` by itself."""

    fields = (*BatchTokenizer.fields, "width")

    def __init__(self, tokenizer: Any, *, limit: int, width: int) -> None:
        super().__init__(tokenizer, limit=limit)
        self.width = width

    def encode(self, text: str) -> Encoding:
        """Return ids with the end token, padded on the checkpoint's side."""
        ids, _ = super().encode(text)
        padding = [self.pad_id] * (self.width - len(ids))
        return (ids + padding if self.padding_side == "right" else padding + ids), []

    def identity(self) -> str:
        """Hash everything that turns a text into ids."""
        return canonical_hash([super().identity(), self.width, self.padding_side])


class SiglipEncoder(ClipEncoder):
    """CLIP with another text tower: every text is padded to the length of training, 64 tokens.

    The tower reads its vector at the last place and knows no attention mask, so that a text padded to
    its batch would depend on its neighbours. A text costs 64 tokens however short it is.

    SigLIP 2 was trained on lower-cased text, and the Gemma tokenizer of its checkpoints keeps the case:
    texts are lower-cased here. SigLIP's own tokenizer drops punctuation too and needs sentencepiece.
    Checkpoints of `model_type` siglip2 (NaFlex) take pictures as lists of patches and are not for this class.

    SigLIP: arXiv:2303.15343, google/siglip-base-patch16-224. SigLIP 2: arXiv:2502.14786,
    google/siglip2-base-patch16-224. Both towers end in (768,), the `pooler_output` of
    get_image_features and get_text_features.
    """

    tokenizer_class = FixedLength

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import SiglipModel

        self.spec, self.device, self.dtype = spec, device, dtype
        self._model = load_model(SiglipModel, folder, dtype=dtype).to(device)
        text = self._model.config.text_config
        self._tokenizer = _tokenizer(folder, text.max_position_embeddings, spec.max_tokens)
        self._processor = KeptProcessor(load_processor(folder))
        self.dim = int(text.projection_size)
        if spec.truncate_dim is not None:
            raise SettingsError(f"Encoder {spec.name!r}: its vector can't be truncated; remove truncate_dim.")
        self.networks = Networks(self._model, image=self._image_features, text=self._padded_features)

    def _text_inputs(self, items: list[Any]) -> tuple[np.ndarray, ...]:
        return (np.array([ids for ids, _ in items], dtype=np.int64),)

    def _padded_features(self, ids: "Tensor") -> "Tensor":
        return self._model.get_text_features(input_ids=ids).pooler_output


class SentencePiece:
    """SigLIP's own tokenizer, which is Python code: the same methods, behind a lock."""

    def __init__(self, tokenizer: Any, *, limit: int, width: int) -> None:
        self._tokenizer, self.limit, self.width = tokenizer, limit, width
        self.pad_id = tokenizer.pad_token_id
        self._lock = threading.Lock()

    def encode(self, text: str) -> Encoding:
        """Return ids with the end token, padded."""
        with self._lock:
            ids = self._tokenizer(text, truncation=True, max_length=self.limit)["input_ids"]
        return ids + [self.pad_id] * (self.width - len(ids)), []

    def bare(self) -> None:
        """Return None: chunks can't be measured with it."""
        return

    def room(self, prompt: str) -> int:
        """Count the tokens that a text may have beside the end token and a prompt."""
        with self._lock:
            used = len(self._tokenizer(prompt, add_special_tokens=False)["input_ids"]) if prompt else 0
        return self.limit - 1 - used

    def identity(self) -> str:
        """Hash the pieces and how a text is cleaned before."""
        pieces = self._tokenizer.sp_model.serialized_model_proto().hex()
        return canonical_hash([pieces, bool(self._tokenizer.do_lower_case), self.width])


def _tokenizer(folder: Path, width: int, max_tokens: int | None) -> FixedLength | SentencePiece:
    limit = min(width, max_tokens or width)
    try:
        tokenizer = load_tokenizer(folder)
    except ImportError as error:
        raise WeightsError(
            f"{folder}: SigLIP's tokenizer needs two packages: pip install sentencepiece protobuf. "
            "SigLIP 2 needs neither."
        ) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        return SentencePiece(tokenizer, limit=limit, width=width)
    if type(tokenizer).__name__.startswith("Gemma"):
        lower_case(tokenizer)
    return FixedLength(tokenizer, limit=limit, width=width)


FAMILY = Family(
    name="siglip",
    encoder=SiglipEncoder,
    defaults={"modalities": ("image", "text"), "media": ("image",), "space": "image_text"},
    recognises=lambda model: model.model_type == "siglip",
    models="SigLIP",
)
ENCODERS = (
    FAMILY.spec(
        "siglip-base",
        "google/siglip-base-patch16-224",
        dim=768,
        tap="image_embeds, text_embeds",
        license="Apache-2.0",
        download_mb=813,
        source="SigLIP, Zhai et al. 2023, arXiv:2303.15343; card google/siglip-base-patch16-224",
    ),
    FAMILY.spec(
        "siglip2-base",
        "google/siglip2-base-patch16-224",
        dim=768,
        tap="image_embeds, text_embeds",
        license="Apache-2.0",
        download_mb=1501,
        source="SigLIP 2, Tschannen et al. 2025, arXiv:2502.14786; card google/siglip2-base-patch16-224",
    ),
)
