"""ClapEncoder: sounds and text in one space, by any CLAP checkpoint of transformers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.family_type import Family
from embed_assets.encoders.loading.checkpoint import load_model, load_tokenizer
from embed_assets.encoders.loading.identity import canonical_hash, hash_config, hash_tensors
from embed_assets.encoders.parts.kept_processor import KeptProcessor
from embed_assets.encoders.parts.media_encoder import (
    check_rate,
    load_processor,
    processing_hash,
    refuse_truncation,
    samples_of,
)
from embed_assets.encoders.parts.tokens import BatchTokenizer
from embed_assets.encoders.parts.two_towers import TwoTowers
from embed_assets.encoders.runtimes.networks import Networks
from embed_assets.encoders.spec import EncoderSpec

if TYPE_CHECKING:
    from torch import Tensor


class ClapEncoder(TwoTowers):
    """The projected vectors of both towers.

    Wu et al. 2022, arXiv:2211.06687; card laion/clap-htsat-unfused. Hears 10 s at most: of longer
    sounds the extractor takes a random crop, or, for fused checkpoints, fuses random crops. Shorter
    sounds are repeated to 10 s, as by the extractor's `padding`.
    """

    medium = "audio"
    takes = "audio as Sound and text as str"
    kept = ("dim", "_fused")

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from transformers import AutoFeatureExtractor, ClapModel

        self.spec, self.device, self.dtype = spec, device, dtype
        refuse_truncation(spec)
        self._model = load_model(ClapModel, folder, dtype=dtype).to(device)
        extractor = load_processor(AutoFeatureExtractor, folder)
        check_rate(spec, extractor.sampling_rate)
        self._processor = KeptProcessor(extractor)
        # An extractor that fuses gives 4 channels, a model that doesn't takes 1: the model decides.
        self._fused = bool(self._model.config.audio_config.enable_fusion)
        tokenizer = load_tokenizer(folder)
        text = self._model.config.text_config
        places = text.max_position_embeddings - text.pad_token_id - 1  # RoBERTa counts from behind the padding id
        limits = (tokenizer.model_max_length, places, spec.max_tokens)
        self._tokenizer = BatchTokenizer(tokenizer, limit=min(limit for limit in limits if limit is not None))
        self.dim = int(self._model.config.projection_dim)
        self.networks = Networks(self._model, audio=self._audio_features, text=self._text_features)

    def _pixels(self, payload: Any) -> np.ndarray:
        """Make a log-mel picture of 10 s."""
        extractor = self._processor.get()
        samples = samples_of(self.spec, "audio", payload, rate=extractor.sampling_rate, most=extractor.nb_max_samples)
        truncation = "fusion" if self._fused else "rand_trunc"  # of sounds of up to 10 s neither draws at random
        inputs = extractor(samples, truncation=truncation, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        return inputs["input_features"][0].numpy()

    def _loaded_identity(self) -> Mapping[str, str]:
        return {
            "weights": hash_tensors(self._model.state_dict().items()),
            "config": hash_config(self._model.config.to_dict()),
            "tokenizer": canonical_hash([self._tokenizer.identity(), self._tokenizer.pad_id]),
            "preprocessing": processing_hash(self._processor.get()),
            "prompts": canonical_hash([self.spec.query_prompt, self.spec.document_prompt]),
            "truncation": str(self._tokenizer.limit),
            "tap": "audio_embeds, text_embeds",
            "pooling": "model",
            "unit_length": str(self.spec.unit_length),
            "dtype": self.dtype,
        }

    def _medium_inputs(self, items: list[Any]) -> tuple[np.ndarray, ...]:
        # The extractor calls one sound of each batch longer, at random, when it fuses; here none is.
        return np.stack(items), np.zeros((len(items), 1), dtype=bool)

    def _text_features(self, ids: "Tensor", mask: "Tensor") -> "Tensor":
        return _projected(self._model.get_text_features(input_ids=ids, attention_mask=mask))

    def _audio_features(self, features: "Tensor", longer: "Tensor") -> "Tensor":
        return _projected(self._model.get_audio_features(input_features=features, is_longer=longer))


def _projected(output: Any) -> Any:
    """Return the projected vectors: transformers 4 returned them alone."""
    return getattr(output, "pooler_output", output)


FAMILY = Family(
    name="clap",
    encoder=ClapEncoder,
    defaults={
        "modalities": ("audio", "text"),
        "media": ("audio",),
        "space": "audio_text",
        "sample_rate": 48_000,
        "window_seconds": 10.0,
    },
    recognises=lambda model: model.model_type == "clap",
    models="CLAP",
)
ENCODERS = (
    FAMILY.spec(
        "clap",
        "laion/clap-htsat-unfused",
        dim=512,
        tap="audio_embeds, text_embeds",
        license="Apache-2.0",
        download_mb=615,
        source="CLAP, Wu et al. 2022, arXiv:2211.06687; card laion/clap-htsat-unfused",
    ),
)
