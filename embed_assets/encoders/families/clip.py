"""ClipEncoder: pictures and text in one space, by any CLIP checkpoint of transformers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model, load_tokenizer
from embed_assets.encoders.loading.device import inference, torch_dtype
from embed_assets.encoders.loading.identity import canonical_hash, hash_config, hash_tensors
from embed_assets.encoders.parts.tokens import BatchTokenizer
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import EncoderOutputError, SettingsError, WeightsError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor


class ClipEncoder(Encoder):
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
            self._processor: Any = AutoImageProcessor.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise WeightsError(f"{folder} has no image processor that can be loaded: {error}") from error
        whole = int(self._model.config.projection_dim)
        if spec.truncate_dim is not None and not 0 < spec.truncate_dim <= whole:
            raise SettingsError(f"Encoder {spec.name!r}: truncate_dim={spec.truncate_dim} of vectors with dim {whole}.")
        self.dim = spec.truncate_dim or whole
        self.networks = Networks(self._model, image=self._image_features, text=self._text_features)

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Resize and crop a picture (cost in pixels), or tokenise a text (cost in tokens)."""
        if modality == "text" and isinstance(payload, str):
            prompt = self.spec.query_prompt if query else self.spec.document_prompt
            encoding = self._tokenizer.encode(prompt + payload)
            return Prepared(modality="text", cost=len(encoding[0]), data=encoding)
        if modality == "image" and hasattr(payload, "convert"):
            pixels = self._processor(images=payload.convert("RGB"), return_tensors="pt")["pixel_values"][0]
            return Prepared(modality="image", cost=pixels.shape[-2] * pixels.shape[-1], data=pixels)
        raise SettingsError(
            f"Encoder {self.spec.name!r} takes text as str and images as PIL images, "
            f"not {modality} as {type(payload).__name__}."
        )

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        import torch

        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        modalities = {prepared.modality for prepared in batch}
        if len(modalities) > 1:
            raise EncoderOutputError(f"One batch holds {' and '.join(sorted(modalities))}; give each its own.")
        items = [prepared.data for prepared in batch]
        with inference(self.device):
            vectors = (self._images if "image" in modalities else self._texts)(items)
            vectors = vectors.float()[:, : self.dim]
            if self.spec.unit_length:
                vectors = torch.nn.functional.normalize(vectors, dim=1)
            return vectors.contiguous().cpu().numpy()

    def identity(self) -> Mapping[str, str]:
        """Return hashes of everything loaded and the short values that shape a vector."""
        processor = self._processor.to_dict()
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._model.config.to_dict()),
            "tokenizer": canonical_hash([self._tokenizer.identity(), self._tokenizer.pad_id]),
            "preprocessing": f"{self._backend()} {hash_config(processor)}",
            "tap": "image_embeds, text_embeds",
            "unit_length": str(self.spec.unit_length),
            "prompts": canonical_hash([self.spec.query_prompt, self.spec.document_prompt]),
            "truncation": str(self._tokenizer.limit),
            "truncate_dim": str(self.spec.truncate_dim),
            "dtype": self.dtype,
        }

    def tokenizer(self) -> "Tokenizer | None":
        """Return a new copy, without truncation and padding."""
        return self._tokenizer.bare()

    @property
    def max_tokens(self) -> int | None:
        """Room for a text beside special tokens and the document prompt."""
        return self._tokenizer.room(self.spec.document_prompt)

    def _images(self, items: list[Any]) -> Any:
        import torch

        pixels = torch.stack(items).to(self.device, torch_dtype(self.dtype))
        return self.networks.run("image", pixels)

    def _texts(self, items: list[Any]) -> Any:
        inputs = self._tokenizer.pad(items)
        return self.networks.run("text", inputs["input_ids"].to(self.device), inputs["attention_mask"].to(self.device))

    def _image_features(self, pixels: "Tensor") -> "Tensor":
        return _projected(self._model.get_image_features(pixel_values=pixels))

    def _text_features(self, ids: "Tensor", mask: "Tensor") -> "Tensor":
        return _projected(self._model.get_text_features(input_ids=ids, attention_mask=mask))

    def _backend(self) -> str:
        """Name the backend: Pillow and torchvision resize slightly differently (0.015 of a standard deviation)."""
        return "pil" if type(self._processor).__name__.endswith("Pil") else "torchvision"

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
