"""ClipEncoder: pictures and text in one space, by any CLIP checkpoint of transformers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model, load_tokenizer
from embed_assets.encoders.loading.identity import canonical_hash, hash_config, hash_tensors
from embed_assets.encoders.parts.kept_processor import KeptProcessor
from embed_assets.encoders.parts.media_encoder import refusal
from embed_assets.encoders.parts.tokens import BatchTokenizer
from embed_assets.encoders.parts.two_towers import TwoTowers
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor


class ClipEncoder(TwoTowers):
    """The projected vectors of both towers, in `dtype` whatever the checkpoint's own is."""

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import AutoImageProcessor, CLIPModel

        self.spec, self.device, self.dtype = spec, device, dtype
        self._model = load_model(CLIPModel, folder, dtype=dtype).to(device)
        tokenizer = load_tokenizer(folder)
        text = self._model.config.text_config
        self._check_end_of_text(text.eos_token_id, tokenizer)
        limits = (tokenizer.model_max_length, text.max_position_embeddings, spec.max_tokens)
        self._tokenizer = BatchTokenizer(tokenizer, limit=min(limit for limit in limits if limit is not None))
        try:
            processor: Any = AutoImageProcessor.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise WeightsError(f"{folder} has no image processor that can be loaded: {error}") from error
        self._processor = KeptProcessor(processor)
        whole = int(self._model.config.projection_dim)
        if spec.truncate_dim is not None and not 0 < spec.truncate_dim <= whole:
            raise SettingsError(f"Encoder {spec.name!r}: truncate_dim={spec.truncate_dim} of vectors with dim {whole}.")
        self.dim = spec.truncate_dim or whole
        self.networks = Networks(self._model, image=self._image_features, text=self._text_features)

    def _pixels(self, payload: Any) -> np.ndarray:
        """Resize, crop and normalise a picture."""
        if not hasattr(payload, "convert"):
            raise refusal(self.spec, "image", payload, self.takes)
        return self._processor.pixels(payload.convert("RGB"))

    def _loaded_identity(self) -> Mapping[str, str]:
        processor = self._processor.get()
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._model.config.to_dict()),
            "tokenizer": canonical_hash([self._tokenizer.identity(), self._tokenizer.pad_id]),
            "preprocessing": f"{_backend(processor)} {hash_config(processor.to_dict())}",
            "tap": "image_embeds, text_embeds",
            "unit_length": str(self.spec.unit_length),
            "prompts": canonical_hash([self.spec.query_prompt, self.spec.document_prompt]),
            "truncation": str(self._tokenizer.limit),
            "truncate_dim": str(self.spec.truncate_dim),
            "dtype": self.dtype,
        }

    def _image_features(self, pixels: "Tensor") -> "Tensor":
        return _projected(self._model.get_image_features(pixel_values=pixels))

    def _text_features(self, ids: "Tensor", mask: "Tensor") -> "Tensor":
        return _projected(self._model.get_text_features(input_ids=ids, attention_mask=mask))

    def _check_end_of_text(self, end: int | None, tokenizer: Any) -> None:
        """Check the id of the end token, where CLIP reads a text's vector; with a wrong one it reads the first.

        Checkpoints from before 2023 have 2, which transformers takes as "the highest id in the text".
        """
        last = max(tokenizer.get_vocab().values())
        if end == tokenizer.eos_token_id or (end == 2 and tokenizer.eos_token_id == last):
            return
        raise WeightsError(
            f"Encoder {self.spec.name!r}: config.json has text_config.eos_token_id={end}, the "
            f"tokenizer ends a text with {tokenizer.eos_token_id}. "
            "Every text would get one vector; correct config.json."
        )


def _backend(processor: Any) -> str:
    """Name the backend: Pillow and torchvision resize slightly differently (0.015 of a standard deviation)."""
    return "pil" if type(processor).__name__.endswith("Pil") else "torchvision"


def _projected(output: Any) -> Any:
    """Return the projected vectors: transformers 5 has them as pooler_output, 4 returned them alone."""
    return getattr(output, "pooler_output", output)


FAMILY = Family(
    name="clip",
    encoder=ClipEncoder,
    defaults={"modalities": ("image", "text"), "media": ("image",), "space": "image_text"},
    recognises=lambda model: model.model_type == "clip",
    models="CLIP",
)
ENCODERS = (
    FAMILY.spec(
        "clip-vit-b32",
        "openai/clip-vit-base-patch32",
        dim=512,
        tap="image_embeds, text_embeds",
        license="MIT",
        download_mb=605,
        source="CLIP, Radford et al. 2021, arXiv:2103.00020; card openai/clip-vit-base-patch32",
    ),
)
