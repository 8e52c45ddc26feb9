"""Documents: what the service answers, as models for its OpenAPI document."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from embed_assets.pipeline.item_details import ItemDetails
from embed_assets.quality.map.item_map import GroupDocument
from embed_assets.search.answers import SearchedSpace, Span
from embed_assets.search.filters import Filter


class HitDocument(BaseModel):
    """One media item, ranked by its best segment."""

    rank: int
    score: float | None = Field(description="Similarity in `space`: higher is nearer; none where words alone found it.")
    percentile: float | None = Field(description="Share of random pairs that are less near, in percent.")
    good: bool | None = Field(description="Whether it is a good match by its percentile.")
    media_id: str
    source: str
    key: str
    uri: str = Field(description="Address of the file; empty where the service has keys and it is one of its machine.")
    modality: str
    text: str | None
    labels: list[str]
    start: int | None = Field(description="Of the best segment: characters of a text, milliseconds of the others.")
    end: int | None
    space: str
    ranks: dict[str, int] = Field(description="Rank in each space, and in SPACE:words for full text.")
    spans: list[Span]
    columns: dict[str, Any] = Field(description="The user's own.")
    duplicates: list[str]
    rerank_score: float | None


class AnswerDocument(BaseModel):
    """The hits of a query, best first, and by what they were found."""

    hits: list[HitDocument]
    good_match: bool | None = Field(description="Whether any hit is a good match; none where nothing is calibrated.")
    spaces: list[SearchedSpace]
    mode: str
    reranker: str | None
    encode_seconds: float
    search_seconds: float
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class ItemDocument(ItemDetails):
    """An item, with those that are nearest to it where they were wanted."""

    neighbours: list[HitDocument] = field(default_factory=list)


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str


class EncodeRequest(BaseModel):
    """Texts and uploads to encode with what serves a space."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"space": "text", "texts": ["red car at night"]}]}
    )

    space: str = Field(min_length=1, max_length=200)
    texts: list[str] = Field(default_factory=list, max_length=256)
    uploads: list[str] = Field(default_factory=list, max_length=16, description="Hashes of POST /uploads.")
    version: str | None = Field(default=None, max_length=40, description="An encoder version that is not live.")


class EncodeDocument(BaseModel):
    """Vectors, of the texts first, and the encoder version that made them: they fit no other."""

    space: str
    encoder: str
    encoder_version: str
    dim: int
    vectors: list[list[float]]


class FacetsRequest(BaseModel):
    """What to count values of."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"spaces": ["text"], "where": {"label": "dog"}}]}
    )

    spaces: list[str] = Field(default_factory=list, max_length=50)
    where: Filter | None = None
    values: int = Field(default=20, ge=1, le=1000, description="Most frequent values of each column.")


class MapDocument(BaseModel):
    """Items on the plane of an encoder version. The lists are by item, in one order."""

    space: str
    encoder: str
    encoder_version: str
    release: str
    method: str = Field(description="Of the plane: umap, pca.")
    items: int = Field(description="Of the space; the lists have 10,000 of them at most.")
    grouped_by: str = Field(description="label, or source where there are many labels.")
    groups: list[GroupDocument] = Field(description="Those of the lists, the largest first.")
    media_ids: list[str]
    names: list[str] = Field(description="The last part of each key.")
    texts: list[str] = Field(description="The beginning of each text or caption; empty where there is none.")
    modalities: list[str]
    group_of: list[int] = Field(description="Number of the group, from 0.")
    x: list[float]
    y: list[float]


class JudgementRequest(BaseModel):
    """A mark on a result."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"space": "text", "text": "boats", "item": "photos/a.jpg", "good": True}]},
    )

    space: str = Field(min_length=1, max_length=200)
    text: str | None = Field(default=None, min_length=1, description="The words that were searched for.")
    upload: str | None = Field(default=None, max_length=200, description="Or the upload, by its hash.")
    item: str = Field(min_length=1, max_length=4000, description="Id of the item, or SOURCE/KEY.")
    good: bool


class UploadDocument(BaseModel):
    """An upload that later queries may name."""

    upload: str = Field(description="sha256 of the file.")
    bytes: int
