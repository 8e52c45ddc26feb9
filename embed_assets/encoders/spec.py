"""EncoderSpec: the facts of an encoder that are known without loading it."""

from dataclasses import dataclass, field
from typing import Literal

from embed_assets.encoders.older_family_paths import family_name
from embed_assets.media.media_types import Modality

Distance = Literal["cosine", "l2", "dot"]


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """One encoder: which model, where its vector is tapped, and how it is made a row.

    `family` is the name of a built-in family, or the class of another package as text ("module:Class"): declaring an
    encoder imports no torch.
    `model` is a hub id or a local folder; `revision` the pinned commit of a hub id.
    `modalities` are those the encoder can encode, as segments or as queries; `media` those that it is
    fed from a source unless the settings differ (an image-text encoder indexes pictures and
    takes words as queries).
    """

    name: str
    family: str
    model: str
    revision: str | None = None
    modalities: tuple[Modality, ...]
    media: tuple[Modality, ...]
    space: str
    dim: int | None = None  # None: known once loaded; set: what is loaded must have it
    tap: str = ""  # which layer the vector is read from, in the model card's words
    pooling: str = ""  # how many outputs become one vector
    unit_length: bool = True
    distance: Distance = "cosine"
    truncate_dim: int | None = None  # Matryoshka: keep the first numbers and renormalise
    query_prompt: str = ""
    document_prompt: str = ""
    max_tokens: int | None = None  # None: the model's own limit
    sample_rate: int | None = None  # Hz that sounds are given to the encoder in
    window_seconds: float | None = None  # length of an audio or video segment; None: the whole item
    hop_seconds: float | None = None  # from one segment's start to the next; None: the window's length
    frames: int | None = None  # how many frames of a video segment the encoder is given
    license: str = ""
    download_mb: float | None = None
    extra: str | None = None  # the extra of embed-assets that has to be installed
    source: str = ""  # paper and model card
    options: dict[str, object] = field(default_factory=dict)  # a family's own settings, part of the identity

    def __post_init__(self) -> None:
        object.__setattr__(self, "family", family_name(self.family))
