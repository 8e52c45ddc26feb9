"""FramesEncoder: a clip as the mean of its frames' vectors, by any encoder of images."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.parts.media_encoder import CLIP_SECONDS, frames_of, one_modality
from embed_assets.encoders.runtimes.networks import ConvertedNetwork
from embed_assets.encoders.runtimes.torch_free_state import TorchFreeState
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import SettingsError
from embed_assets.media.media_types import Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class FramesEncoder(Encoder):
    """Unit-length mean of the frames' unit-length vectors; the order of frames and the sound are lost.

    The pooling of CLIP4Clip without parameters: Luo et al. 2021, arXiv:2104.08860. `model` is the image
    encoder's model, and `options["image"]` the encoder, by name, that it is declared as (without it, the
    model's own family). Queries are pictures and, where the image encoder takes text, words: all in
    the image encoder's space.
    """

    _parts: Mapping[str, str] | None = None  # the identity, where no weights are there to be hashed

    def __init__(self, spec: EncoderSpec, *, folder: Path, device: str, dtype: str) -> None:
        from embed_assets.encoders.registry import family_class  # the registry finds this module

        self.spec, self.device, self.dtype = spec, device, dtype
        inner = image_spec(spec, folder)
        absent = set(spec.modalities) - {"video", *inner.modalities}
        if "image" not in inner.modalities or absent:
            raise SettingsError(
                f"Encoder {spec.name!r}: {inner.name!r} encodes {', '.join(inner.modalities)}; "
                "the frames of a video need an encoder of images, and queries one of its modalities."
            )
        self._image: Encoder = family_class(inner)(inner, folder=folder, device=device, dtype=dtype)
        self.dim = self._image.dim
        self.networks = self._image.networks

    def prepare(self, modality: Modality, payload: Any, *, query: bool = False) -> Prepared:
        """Prepare each frame of a clip, cost in pixels of all; a picture or text as the image encoder does."""
        if modality != "video":
            return self._image.prepare(modality, payload, query=query)
        from PIL import Image

        frames = frames_of(self.spec, modality, payload, count=None)
        prepared = [self._image.prepare("image", Image.fromarray(frame)) for frame in frames]
        return Prepared(modality="video", cost=sum(frame.cost for frame in prepared), data=prepared)

    def encode(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Return float32, (len(batch), dim)."""
        if not batch or one_modality(batch) != "video":
            return self._image.encode(batch)
        vectors = self._image.encode([frame for clip in batch for frame in clip.data])
        starts = np.cumsum([0, *(len(clip.data) for clip in batch)])[:-1]
        counts = np.array([len(clip.data) for clip in batch])
        means = np.add.reduceat(vectors.astype(np.float64), starts) / counts[:, None]
        if self.spec.unit_length:
            means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means.astype(np.float32)

    def identity(self) -> Mapping[str, str]:
        """Return the image encoder's parts, and how frames become one vector."""
        if self._parts is not None:
            return self._parts
        parts = {f"image {name}": value for name, value in self._image.identity().items()}
        return {**parts, "pooling": "mean over frames of unit length", "unit_length": str(self.spec.unit_length)}

    def tokenizer(self) -> "Tokenizer | None":
        """Return the image encoder's, for queries."""
        return self._image.tokenizer()

    @property
    def max_tokens(self) -> int | None:
        """The image encoder's, for queries."""
        return self._image.max_tokens

    def torch_free_state(self) -> TorchFreeState | None:
        """Return the image encoder's state, and its spec; None where it needs torch."""
        state = self._image.torch_free_state()
        if state is None:
            return None
        return TorchFreeState(values={"image": state.values, "spec": asdict(self._image.spec)}, arrays=state.arrays)

    @classmethod
    def torch_free(
        cls,
        spec: EncoderSpec,
        state: TorchFreeState,
        networks: Mapping[str, ConvertedNetwork],
        *,
        parts: Mapping[str, str],
        dtype: str,
    ) -> "FramesEncoder":
        """Build the encoder of frames around an image encoder without torch."""
        from embed_assets.encoders.registry import family_class

        lists = {name: tuple(state.values["spec"][name]) for name in ("modalities", "media")}
        inner = EncoderSpec(**{**state.values["spec"], **lists, "model": spec.model, "revision": spec.revision})
        own = TorchFreeState(values=state.values["image"], arrays=state.arrays)
        encoder = cls.__new__(cls)
        encoder.spec, encoder.device, encoder.dtype = spec, "cpu", dtype
        encoder._image = family_class(inner).torch_free(inner, own, networks, parts=parts, dtype=dtype)
        encoder.dim, encoder.networks, encoder._parts = encoder._image.dim, encoder._image.networks, parts
        return encoder


def image_spec(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """Return the spec of the image encoder inside: that of `options["image"]`, else of the folder."""
    from embed_assets.encoders.registry import spec_for

    options = dict(spec.options)
    inner = spec_for(str(options.pop("image", None) or folder))
    return replace(
        inner,
        model=spec.model,
        revision=spec.revision,
        options={**inner.options, **options},
        unit_length=True,
        truncate_dim=spec.truncate_dim,
        query_prompt=spec.query_prompt or inner.query_prompt,
        document_prompt=spec.document_prompt or inner.document_prompt,
        max_tokens=spec.max_tokens,
    )


FAMILY = Family(
    name="video_frames",
    encoder=FramesEncoder,
    defaults={
        "modalities": ("video", "image"),
        "media": ("video",),
        "space": "video",
        "window_seconds": CLIP_SECONDS,
        "frames": 8,
    },
)
ENCODERS = (
    FAMILY.spec(
        "clip-frames",
        "openai/clip-vit-base-patch32",
        modalities=("video", "image", "text"),
        space="video_text",
        dim=512,
        tap="image_embeds, text_embeds",
        pooling="mean over frames",
        license="MIT",
        download_mb=605,
        source="CLIP4Clip, Luo et al. 2021, arXiv:2104.08860; card openai/clip-vit-base-patch32",
        options={"image": "clip-vit-b32"},
    ),
)
