"""Settings: the one typed place; load_settings.py reads them from YAML and EMBED_ASSETS_* variables."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    model_validator,
)
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from embed_assets.media.files.redacted_uri import shown
from embed_assets.media.media_types import Modality
from embed_assets.media.text.encodings import checked_encoding
from embed_assets.media.uris.allowed_prefixes import Allowed

POOL = "gpu"  # Dagster's pool of embedding steps: one encoder at a time, unless its limit says otherwise
ANIMATED_FRAMES = "animated_frames"  # an encoder's setting and, in what is kept of its version, an option

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
SourceKind = Literal["files", "lance", "delta", "parquet", "value"]


class Section(BaseModel):
    """One section of the settings: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TableSettings(Section):
    """Columns of a source's tables, each row of which is a media item."""

    format: Literal["files", "lance", "delta", "parquet"] | None = Field(
        default=None,
        description="files: every .jsonl, .ndjson, .csv, .tsv and .parquet file is a table of texts; lance, delta, "
        "parquet (a folder of it): the source's uri is one table. Unset: lance where the uri ends in .lance, else "
        "files; of an asset's value leave it unset.",
    )
    text: str | list[str] | None = Field(
        default=None,
        examples=["body", ["title", "body"]],
        description="Column that is embedded, or several, joined in this order, each in a line of its own; unset: "
        "tables are files like others.",
    )
    bytes: str | None = Field(
        default=None, description="Instead of text: column with the bytes of a picture, sound, document…"
    )
    uri: str | None = Field(
        default=None, description="Instead of text: column with the URI or path of each item's file."
    )
    allow: list[str] = Field(
        default_factory=list,
        examples=[["s3://bucket/photos/", "https://cdn.example/", "/data/photos"]],
        description="Of a uri column: prefixes that rows may name beside what is below the source's uri, their "
        "protocols by it as well. An address of a private network is read where it is named here, as 10.0.0.5 or "
        "10.0.0.0/8 or by the prefix itself.",
    )
    id: str | None = Field(default=None, description="Column that names a row; unset: rows are known by their content.")
    caption: str | None = Field(
        default=None, description="Column with a row's caption, its title say: shown with hits, searched as text."
    )
    labels: list[str] = Field(
        default_factory=list, description="Columns whose values are labels; lists too, also those written as JSON."
    )
    extra: list[str] = Field(
        default_factory=list, description="Columns that are kept with the item, typed, to filter by and to show."
    )
    updated: str | None = Field(
        default=None,
        description="Column with a row's time or version: while it stays as it is, the row is not read again.",
    )

    @property
    def content(self) -> bool:
        """Whether a column is embedded; else tables are files like others."""
        return bool(self.text or self.bytes or self.uri)

    @model_validator(mode="after")
    def _content_is_one_column(self) -> "TableSettings":
        named = [name for name in ("text", "bytes", "uri") if getattr(self, name)]
        if isinstance(self.text, list) and (not all(self.text) or len(set(self.text)) < len(self.text)):
            raise ValueError("text names a column twice, or one without a name; name each column once")
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} are both set; keep the one whose column is embedded")
        if self.allow and not self.uri:
            raise ValueError("allow is of the files that a uri column names; add uri, or remove allow")
        if not named and any(getattr(self, name) for name in type(self).model_fields if name != "format"):
            raise ValueError("names columns but not the one that is embedded; add text, bytes or uri")
        if self.updated and not self.id:
            raise ValueError("updated needs id: without it a row can't be found again; add id")
        Allowed(None, self.allow)  # raises ValueError with the entry that is none
        return self


class SourceSettings(Section):
    """Where media items come from: a folder or bucket, or a table; `asset` names the host's asset behind it."""

    uri: str | None = Field(
        default=None,
        examples=["media/photos", "s3://bucket/photos", "data/articles.lance"],
        description="Folder or bucket prefix, or a table: a path, file://, s3://, anything fsspec opens. Without it "
        "the table is the value of `asset`.",
    )
    asset: str | None = Field(
        default=None,
        pattern=r"^[^/\s]+(/[^/\s]+)*$",
        examples=["warehouse/articles"],
        description="Key of the host's Dagster asset that this source is made from: upstream of its manifest. Without "
        "uri the asset's value is the source's table.",
    )
    pattern: str = Field(
        default="**/*",
        examples=["**/*.{jpg,png}"],
        description="Glob on the path below the folder; ** crosses folders.",
    )
    exclude: list[str] = Field(
        default_factory=list,
        examples=[["lost+found", "**/thumbs"]],
        description="Globs as of pattern: files to leave out, or folders with all that is in them.",
    )
    follow_links: bool = Field(
        default=False,
        description="Read symbolic links to files outside the folder too; else these are quarantined. Links to folders "
        "are never followed.",
    )
    sidecar: str | None = Field(
        default=None, description="Captions and labels by file: .jsonl, .csv or .parquet, below the folder or a URI."
    )
    labels: Literal["none", "folder"] = Field(default="none", description="folder: the first folder is the label.")
    encoding: Annotated[str, AfterValidator(checked_encoding)] | None = Field(
        default=None,
        examples=["cp1251", "gb18030", "euc_kr"],
        description="Of texts, tables and sidecars that have no byte order mark and are not UTF-8: their encoding, by "
        "Python's name; above what a text declares of itself. Unset: as declared, or guessed where there is no doubt.",
    )
    table: TableSettings = TableSettings()
    storage_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of fsspec for the source's protocol: key, secret, endpoint_url. They are never "
        "written anywhere; set secrets by environment variables.",
    )
    max_deleted_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Maximum share of known items that may be gone from a listing; above it, the run stops before "
        "it writes.",
    )

    @property
    def kind(self) -> SourceKind:
        """What rows and files come from: `value` is a table that an asset returns."""
        if self.uri is None:
            return "value"
        lance = self.uri.rstrip("/").endswith(".lance")
        return self.table.format or ("lance" if lance and self.table.content else "files")

    @property
    def address(self) -> str:
        """Where it is, for people: the uri without credentials, or the asset."""
        return shown(self.uri) if self.uri else f"asset {self.asset}"

    @model_validator(mode="after")
    def _place_and_table_agree(self) -> "SourceSettings":
        table = self.table
        if self.uri is None and self.asset is None:
            raise ValueError("names no place; add uri (a folder, bucket or table), or the asset whose value is a table")
        if self.uri is None and table.format:
            raise ValueError("table.format is of a table at a uri, and the value of an asset has none; remove it")
        if self.uri is None and not table.content:
            raise ValueError(
                "the value of the asset is its table, and no column of it is named; add table.text, table.bytes or "
                "table.uri, or the uri of what the asset writes"
            )
        if self.uri is None and self.sidecar and "://" not in self.sidecar and not self.sidecar.startswith("/"):
            raise ValueError("sidecar is a path below the uri, and there is none; write an absolute one")
        if table.format not in (None, "files") and not table.content:
            raise ValueError(f"table.format is {table.format}, but no column is named; add text, bytes or uri to table")
        if self.kind == "files" and (name := next((n for n in ("bytes", "uri", "updated") if getattr(table, n)), None)):
            raise ValueError(
                f"table.{name} needs a table that is read by columns; add table.format: lance, delta or parquet (a "
                "folder of Parquet as one table)"
            )
        return self


class SegmentSettings(Section):
    """How an item is cut into segments. Part of the encoder version."""

    mode: Literal["chunks", "whole"] = Field(
        default="chunks",
        description="chunks: cut a text into chunks of at most max_tokens. whole: one segment per item, truncated "
        "at the model's limit.",
    )
    max_tokens: int | None = Field(
        default=None, ge=8, description="Maximum tokens per chunk; unset: the encoder's own limit."
    )
    overlap: int = Field(default=0, ge=0, description="Number of tokens that neighbouring chunks share.")
    max_characters: int = Field(
        default=8000,
        ge=32,
        description="Maximum characters per chunk, for scripts and files in which a token can be very long.",
    )


class EncoderSettings(Section):
    """One encoder of the pipeline."""

    model: str = Field(
        examples=["sentence-transformers/all-MiniLM-L6-v2", "./models/mine", "embedded:minilm"],
        description="Name of a known encoder, hub id, local folder, or embedded:NAME.",
    )
    sources: list[Name] | None = Field(default=None, description="Sources it reads; unset: all.")
    media: list[Modality] | None = Field(
        default=None,
        description="Kinds of items that it encodes: text, image, audio, video; unset: all that the model takes as "
        "media.",
    )
    space: Name | None = Field(
        default=None, description="Name of the vector space, which search asks for; unset: the encoder's own."
    )
    revision: str | None = Field(
        default=None, description="Commit of a hub id to pin; unset: the latest of its default branch."
    )
    dim: int | None = Field(
        default=None,
        ge=1,
        description="Expected number of dimensions; the run stops where the model's output has another.",
    )
    unit_length: bool | None = Field(default=None, description="Scale vectors to length 1; unset: the encoder's own.")
    truncate_dim: int | None = Field(
        default=None, ge=1, description="Keep so many leading dimensions, for Matryoshka models."
    )
    query_prompt: str | None = Field(default=None, examples=["query: "], description="Text put before every query.")
    document_prompt: str | None = Field(
        default=None, examples=["passage: "], description="Text put before every item's text."
    )
    pooling: str | None = Field(default=None, description="cls or mean, for models whose files do not say which.")
    window_seconds: float | None = Field(
        default=None, gt=0, description="Length of an audio or video segment in seconds."
    )
    hop_seconds: float | None = Field(
        default=None, gt=0, description="Seconds from the start of one segment to the start of the next."
    )
    frames: int | None = Field(default=None, ge=1, description="Number of frames sampled per video segment.")
    by_scene: bool = Field(default=False, description="Whether video segments also end at scene cuts.")
    animated_frames: int | None = Field(
        default=None,
        ge=1,
        description="Maximum frames of an animated image that get a vector each; unset: its first frame alone.",
    )
    jpeg_side: int | None = Field(
        default=None,
        ge=1,
        examples=[448],
        description="Decode a JPEG at a half, quarter or eighth where both sides keep so many pixels, several times "
        "faster for photos of cameras; twice the model's own side loses next to nothing; unset: whole.",
    )
    generation: int = Field(
        default=1,
        ge=1,
        description="Raise it to embed everything again as a new version, though model and settings are unchanged.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the model's family: base_url, image, …"
    )
    segment: SegmentSettings = SegmentSettings()

    @model_validator(mode="after")
    def _animated_frames_are_an_option(self) -> "EncoderSettings":
        """Options are kept with an encoder version: an older one goes on to cut pictures as it did."""
        if self.animated_frames is not None:
            self.options[ANIMATED_FRAMES] = self.animated_frames
        return self


class SpaceSettings(Section):
    """What is expected of a space."""

    queries: str | None = Field(
        default=None,
        description="Labelled queries: a JSONL file with query or query_file, and relevant or relevant_labels "
        "(docs/queries.md).",
    )
    query_files: str | None = Field(
        default=None, description="Folder that query_file paths start from; unset: the folder of the query set."
    )
    similarity: str | None = Field(
        default=None,
        description="Similarity judgements: a JSONL, .csv or .tsv file of pairs of texts, a and b, with a score "
        "(docs/queries.md).",
    )
    min_recall: float = Field(
        default=0.0, ge=0, le=1, description="Minimum recall@10 on the labelled queries; below it, a warning."
    )
    min_ndcg: float = Field(
        default=0.0, ge=0, le=1, description="Minimum nDCG@10 on the labelled queries; below it, a warning."
    )
    promotion: Literal["automatic", "manual"] = Field(
        default="automatic",
        description="manual: a checked candidate waits for embed-assets promote, or the job in the UI.",
    )
    keep_previous: int = Field(
        default=1,
        ge=1,
        description="Number of earlier versions that a roll-back can return to; all are kept up to date.",
    )
    leaderboard: list[str] = Field(
        default_factory=list,
        examples=[["e5-small", "BAAI/bge-small-en-v1.5"]],
        description="Encoders that the asset SPACE_leaderboard compares with the space's own, on a sample: names of "
        "the settings or of the catalog, hub ids, folders. Without any there is no such asset.",
    )
    reports: list[Literal["drift", "query_drift", "balance", "evaluation", "map", "noise"]] = Field(
        default_factory=list,
        examples=[["drift", "balance"]],
        description="Reports that are assets: drift gives SPACE_drift, with a check that warns; query_drift "
        "SPACE_query_drift, of query_log; balance SPACE_balance; evaluation SPACE_evaluation; map SPACE_map; noise "
        "ENCODER_noise of each encoder of the space (docs/monitoring.md).",
    )
    query_log: str | None = Field(
        default=None,
        examples=["logs/queries.jsonl"],
        description="What people search for: a JSONL file with a text in query, oldest first; read by the report "
        "query_drift and by embed-assets report drift.",
    )

    @model_validator(mode="after")
    def _query_drift_has_a_log(self) -> "SpaceSettings":
        if "query_drift" in self.reports and self.query_log is None:
            raise ValueError("reports names query_drift, and there is no query_log; add it, or remove query_drift")
        return self


class SavedQuerySettings(Section):
    """A query that is searched with after each promotion, for its new matches: words, a file or a stored item."""

    space: str = Field(examples=["text"], description="Space that is searched.")
    query: str | None = Field(default=None, examples=["boats in a harbour"], description="Words to search with.")
    file: str | None = Field(
        default=None,
        examples=["queries/boat.jpg"],
        description="Instead of words: a picture, sound or video to search with.",
    )
    like: str | None = Field(
        default=None,
        examples=["photos/harbour/dawn.jpg"],
        description="Instead of words: a stored item, SOURCE/KEY, for more like it.",
    )
    filter: dict[str, Any] | None = Field(
        default=None,
        examples=[{"label": {"in": ["boat", "sea"]}, "year": {"gte": 1990}}],
        description="Only items for which this filter holds, as of the service's where and --where (docs/search.md).",
    )
    min_percentile: float = Field(
        default=99.0,
        ge=0,
        le=100,
        description="A match is nearer than this share, in percent, of random pairs; 99 is what search calls a good "
        "match.",
    )
    limit: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Number of the nearest items that are looked at; a note says where more may match.",
    )

    @model_validator(mode="after")
    def _searches_with_one_thing(self) -> "SavedQuerySettings":
        given = [name for name in ("query", "file", "like") if getattr(self, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"a saved query is one of query, file and like; found {found}; keep one")
        return self


class SinkSettings(Section):
    """A place outside the store that holds what a space serves: the asset NAME_export keeps it up to date."""

    space: str = Field(examples=["text"], description="Space whose live release is exported.")
    kind: str = Field(
        examples=["parquet", "faiss", "milvus"],
        description="What is written: parquet (a folder of parts), faiss (an index file with ids; extra faiss), milvus "
        "(a collection; extra milvus). docs/exporting.md describes them.",
    )
    uri: str = Field(
        examples=["exports/text", "s3://bucket/text", "http://localhost:19530"],
        description="Folder or bucket prefix of the sink's own; of milvus a server, or a file of Milvus Lite.",
    )
    collection: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Of milvus: the alias that is queried; unset: the sink's name.",
    )
    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        examples=[["source", "key", "text", "labels"]],
        description="Columns beside segment_id, media_id and vector, user columns by their own names; unset: all.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        examples=[{"index": "hnsw", "m": 32}],
        description="Options of the kind: of faiss index (flat or hnsw) and m.",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of fsspec for the uri's protocol; of milvus those of its client: token, user, password, "
        "db_name. They are never written anywhere; set secrets by environment variables.",
    )


class RaySettings(Section):
    """Actors of the engine ray. Not part of the encoder version."""

    address: str | None = Field(
        default=None,
        examples=["ray://head:10001"],
        description="Address of the cluster; unset: RAY_ADDRESS, else a Ray that is started on this machine.",
    )
    encoders: int = Field(default=1, ge=1, description="Number of actors that encode; each loads the model.")
    cpus: float = Field(default=1.0, ge=0, description="CPU cores of an actor that encodes.")
    gpus: float = Field(default=0.0, ge=0, description="GPUs of an actor that encodes; a fraction shares one.")
    cutters: int = Field(
        default=1,
        ge=0,
        description="Number of actors that read, decode and cut pictures, sounds and videos, each on one CPU core; "
        "0: those that encode do it, as they always do of texts.",
    )


class ComputeSettings(Section):
    """Where and how encoders run. Not part of the encoder version, but for dtype."""

    device: str = Field(default="auto", description="Device of the models: auto, cpu, cuda, cuda:1, mps.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32",
        description="Floating point type of the model's weights and activations; part of the encoder version.",
    )
    runtime: Literal["auto", "torch", "openvino"] = Field(
        default="auto",
        description="What runs the models' networks; not part of the encoder version. auto: OpenVINO on a CPU where "
        "it is installed, the family can be converted and its vectors agree with torch's; torch otherwise.",
    )
    engine: Literal["local", "ray"] = Field(
        default="local",
        description="Where runs encode: in the run's own process, or on a Ray cluster (extra `ray`). A run with a "
        "budget encodes in its own process.",
    )
    ray: RaySettings = Field(default_factory=RaySettings, description="Actors of the engine ray.")
    batch_tokens: int | None = Field(
        default=None, ge=1, description="Maximum padded tokens per batch; unset: the fastest, measured in a large run."
    )
    batch_pixels: int | None = Field(
        default=None, ge=1, description="Maximum pixels per batch; unset: the fastest, measured in a large run."
    )
    readers: int = Field(
        default=2, ge=1, le=64, description="Number of threads that read, decode and tokenise ahead of the encoder."
    )
    buffer_mb: int = Field(
        default=256, ge=1, description="Maximum megabytes of decoded media that wait for the encoder."
    )
    cache_mb: int = Field(
        default=1024,
        ge=0,
        description="Maximum megabytes of the local cache (EMBED_ASSETS_CACHE, else below ~/.cache) of files read from "
        "object stores, so that each is fetched once for all encoders; 0: no cache.",
    )
    flush_rows: int = Field(default=20_000, ge=1, description="Rows per commit.")
    flush_seconds: float = Field(default=60.0, gt=0, description="Maximum seconds between two commits.")
    offline: bool = Field(
        default=False, description="Use no model hub: models come from local folders and the local hub cache."
    )
    isolate_decoders: bool = Field(
        default=True,
        description="Whether media is decoded in separate processes, so that a crash or hang of a decoder costs "
        "one item.",
    )
    keep_models: bool = Field(
        default=True,
        description="Whether the store keeps a copy of local model files, so that what serves can always be loaded.",
    )
    budget: str = Field(
        default="",
        examples=["10m", "1.5Mtokens", "2.50usd"],
        description="Maximum that a run spends on encoding: 10m, 1.5Mtokens, 2Gpixels, 2.50usd; empty: unlimited.",
    )


class IndexSettings(Section):
    """How vector tables are indexed. Not part of the encoder version."""

    vector_dtype: Literal["float16", "float32"] = Field(
        default="float16", description="Floating point type of the stored vectors."
    )
    min_rows: int = Field(
        default=20_000, ge=1, description="Rows from which a table gets an ANN index; below, exact search is as fast."
    )
    rows_per_partition: int = Field(default=4096, ge=16, description="Rows per IVF partition of the ANN index.")
    num_bits: int = Field(
        default=5,
        ge=1,
        le=9,
        description="Bits per dimension of the RaBitQ code, which is used where 8 divides the dim.",
    )


class CheckSettings(Section):
    """Thresholds of the asset checks."""

    min_ann_recall: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="Minimum recall@10 of the ANN index against exact search, without a filter and under filters that "
        "keep about 10 %, 1 % and 0.1 % of the rows; below it, promotion is blocked.",
    )
    recall_queries: int = Field(
        default=200, ge=1, description="Number of held-out queries on which ANN recall is measured."
    )
    max_quarantined_share: float = Field(
        default=0.05, ge=0, le=1, description="Maximum share of quarantined items; above it, a warning."
    )
    max_mean_cosine: float = Field(
        default=0.9,
        ge=-1,
        le=1,
        description="Maximum mean cosine of pairs of vectors; above it, a warning. 1: collapsed vectors block nothing.",
    )
    max_quality_loss: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Maximum loss of nDCG@10 and recall@10 on the labelled queries against what is live; above it, and "
        "of 20 queries and more beyond noise, promotion is blocked.",
    )


class MaintenanceSettings(Section):
    """When tables are compacted, indices brought up to date and old table versions removed."""

    keep_hours: float = Field(
        default=24.0,
        gt=0,
        description="Age below which no table version is removed; encoder versions that are neither current, live nor "
        "to go back to are retired so long after another became current.",
    )
    seconds: float = Field(default=600.0, gt=0, description="Seconds after which a maintenance run starts nothing new.")
    keep_versions: int = Field(
        default=100,
        ge=1,
        description="Versions of a table that are kept at the most, though younger; runs remove older ones.",
    )
    keep_runs: int = Field(
        default=200,
        ge=1,
        description="Finished runs that are kept of a store's own Dagster home, beside those assets show.",
    )
    keep_run_days: float = Field(default=30.0, gt=0, description="Age at which finished runs of that home are deleted.")
    max_small_fragments: int = Field(default=20, ge=2, description="Small fragments above which a table is compacted.")
    max_deleted_share: float = Field(
        default=0.1, gt=0, le=1, description="Share of deleted rows above which a table is compacted."
    )
    max_unindexed_share: float = Field(
        default=0.05, gt=0, le=1, description="Share of unindexed rows above which an index is brought up to date."
    )


JOB_KINDS = ("build", "embed", "reembed", "promote", "recall", "rollback", "retire", "maintain")
SCHEDULE_KINDS = ("nightly", "weekly_maintenance", "weekly_recall")
SENSOR_KINDS = ("first_build", "new_media", "new_revision", "promotion", "reconcile")


class KindsOf:
    """Annotation of a choice among kinds: true for all of them, false for none, or a list of some."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string", "enum": self._kinds}}]}

    def _checked(self, written: Any) -> Any:
        known = ", ".join(self._kinds)
        if written in (True, False, "true", "false"):
            return written in (True, "true")
        if not isinstance(written, list):
            raise ValueError(f"{written!r} is neither true nor false nor a list of {known}")
        for name in written:
            if name not in self._kinds:
                near = difflib.get_close_matches(str(name), self._kinds, n=1, cutoff=0.5)
                raise ValueError(f"{name!r} is none of {known}{f'. Did you mean {near[0]!r}?' if near else ''}")
        return written


class AutomationSettings(Section):
    """Which jobs, schedules and sensors there are, and declarative automation, off by default.

    With that Dagster asks by itself for what is missing or stale.
    """

    enabled: bool = Field(
        default=False, description="Give the assets conditions, and the pipeline a sensor that acts on them."
    )
    running: bool = Field(
        default=False, description="That sensor is on from the start; else it is switched on in the UI."
    )
    cron: str = Field(default="0 * * * *", description="When sources are listed and encoders resolved.")
    timezone: str = Field(default="UTC", description="Time zone of cron, and of the nightly and weekly schedules.")
    jobs: Annotated[bool | list[str], KindsOf(*JOB_KINDS)] = Field(
        default=True,
        examples=[["embed", "promote", "rollback"]],
        description=f"Jobs that there are: true (all), false (none), or some of {', '.join(JOB_KINDS)}. Schedules and "
        "sensors of a job that is left out are left out as well.",
    )
    schedules: Annotated[bool | list[str], KindsOf(*SCHEDULE_KINDS)] = Field(
        default=True,
        examples=[["nightly"]],
        description=f"Schedules that there are: true, false, or some of {', '.join(SCHEDULE_KINDS)}.",
    )
    sensors: Annotated[bool | list[str], KindsOf(*SENSOR_KINDS)] = Field(
        default=True,
        examples=[["new_media", "promotion"]],
        description=f"Sensors that there are, but for that of `enabled`: true, false, or some of "
        f"{', '.join(SENSOR_KINDS)}.",
    )
    fresh_within_hours: float | None = Field(
        default=None,
        gt=0,
        description="Serving assets are overdue when they were not materialized for so long; unset: never.",
    )


class RetrySettings(Section):
    """Retries of a step in Dagster: of a network or a disk that failed, never of a mistake with a message of ours."""

    max_retries: int = Field(default=0, ge=0, description="Maximum number of retries of a step; 0: none.")
    delay_seconds: float = Field(default=30, gt=0, description="Seconds before the first retry; each is twice as late.")


class LimitSettings(Section):
    """Bounds on one media item; over them it is quarantined."""

    max_bytes: int = Field(default=512 * 1024 * 1024, ge=1, description="Maximum size of a file in bytes.")
    max_pixels: int = Field(default=100_000_000, ge=1, description="Maximum pixels of an image or a video frame.")
    max_characters: int = Field(default=10_000_000, ge=1, description="Maximum characters of a text.")
    max_pages: int = Field(default=5000, ge=1, description="Maximum pages of a PDF.")
    max_seconds: float = Field(default=4 * 3600, gt=0, description="Maximum length of a sound or video in seconds.")
    max_frames: int = Field(default=4096, ge=1, description="Maximum number of frames sampled from one video.")
    decode_seconds: float = Field(
        default=20, gt=0, description="Maximum seconds that a decoder process takes per ten megabytes of a file."
    )
    decode_megabytes: int = Field(default=2048, ge=64, description="Maximum megabytes of memory of a decoder process.")
    background: tuple[int, int, int] = Field(
        default=(255, 255, 255),
        examples=[[255, 255, 255]],
        description="Colour behind transparent pixels: red, green, blue.",
    )


class ApiKeySettings(Section):
    """A key that the service takes, and what its holder may do. The key itself is given by one of the first three."""

    key: str | None = Field(
        default=None,
        exclude=True,  # no copy of the settings, in the store or in Dagster, holds it
        repr=False,
        description="The key itself; it is never written anywhere, so that a service on the store alone needs one of "
        "the other two.",
    )
    key_env: str | None = Field(
        default=None, examples=["SEARCH_KEY"], description="Name of the environment variable that holds the key."
    )
    key_file: str | None = Field(
        default=None, examples=["/run/secrets/search_key"], description="File that holds the key alone."
    )
    filter: dict[str, Any] | None = Field(
        default=None,
        examples=[{"tenant": "acme"}],
        description="Only items for which this filter holds exist for its holder, on every route.",
    )
    write: bool = Field(default=False, description="Whether its holder may judge results.")

    @model_validator(mode="after")
    def _key_is_given_once(self) -> "ApiKeySettings":
        given = [name for name in ("key", "key_env", "key_file") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both set; keep one")
        return self


class ServeSettings(Section):
    """The service: embed-assets serve."""

    host: str = Field(
        default="127.0.0.1",
        description="Address that it listens at. Beyond this machine it starts only where api_keys has one.",
    )
    port: int = Field(default=8300, ge=0, le=65535, description="Port; 0: any that is free.")
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        examples=["https://search.example.org"],
        description="Its public address: shown with the serving assets in Dagster.",
    )
    api_keys: dict[Name, ApiKeySettings] = Field(
        default_factory=dict,
        examples=[{"web": {"key_env": "SEARCH_KEY", "filter": {"tenant": "acme"}}}],
        description="Name → a key. Without one every request on this machine is answered.",
    )
    max_upload_mb: int = Field(default=64, ge=1, description="Maximum megabytes of a request.")
    uploads_mb: int = Field(
        default=256, ge=1, description="Maximum megabytes of uploads that are kept in memory for later queries."
    )
    max_k: int = Field(default=1000, ge=1, description="Maximum of k and offset together.")
    max_query_characters: int = Field(default=10_000, ge=1, description="Maximum characters of a query's words.")
    queue: int = Field(
        default=256,
        ge=1,
        description="Maximum requests in work or waiting; a further one is refused with 503 and Retry-After.",
    )
    reranker: str | None = Field(
        default=None,
        examples=["cross-encoder/ms-marco-MiniLM-L6-v2"],
        description="Hub id or folder of the cross-encoder that orders results again where a query has rerank: true.",
    )
    judgements: bool = Field(
        default=True, description="Whether results may be judged: marks are kept below judgements/ in the store."
    )


_EXAMPLE: dict[str, Any] = {
    "store": "data/store",
    "sources": {"photos": {"uri": "media/photos"}},
    "encoders": {"clip": {"model": "openai/clip-vit-base-patch32", "sources": ["photos"]}},
}


@dataclass(frozen=True)
class WrittenIn:
    """The file that settings are written in; all are equal, since it is no part of what settings mean."""

    file: str | None = field(default=None, compare=False)  # None: in no file, or in one that is not known
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)  # of sections: "sources.NAME" → line

    def line_of(self, *sections: str) -> int | None:
        """Return the line of the first of the sections that is written."""
        return next((self.lines[section] for section in sections if section in self.lines), None)


class PipelineSettings(Section):
    """Everything a pipeline is made of: sources, encoders, spaces and one store."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    _written_in: WrittenIn = PrivateAttr(default_factory=WrittenIn)

    store: str = Field(
        examples=["data/store", "s3://bucket/store"],
        description="Folder or bucket prefix of the LanceDB store; a pipeline has its own.",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of fsspec for the store's protocol: key, secret, endpoint_url."
    )
    sources: dict[Name, SourceSettings] = Field(
        min_length=1, examples=[{"photos": {"uri": "media/photos"}}], description="Name → where media items come from."
    )
    encoders: dict[Name, EncoderSettings] = Field(
        min_length=1, examples=[{"clip": {"model": "openai/clip-vit-base-patch32"}}], description="Name → a model."
    )
    spaces: dict[Name, SpaceSettings] = Field(
        default_factory=dict,
        examples=[{"text": {"queries": "queries.jsonl", "min_ndcg": 0.6}}],
        description="Name → what is expected of a space of vectors; an encoder names its space.",
    )
    saved_queries: dict[Name, SavedQuerySettings] = Field(
        default_factory=dict,
        examples=[{"harbours": {"space": "text", "query": "boats in a harbour"}}],
        description="Name → a query whose new matches are shown and sent on: the asset NAME_matches.",
    )
    sinks: dict[Name, SinkSettings] = Field(
        default_factory=dict,
        examples=[{"warehouse": {"space": "text", "kind": "parquet", "uri": "exports/text"}}],
        description="Name → a place that what a space serves is exported to: the asset NAME_export.",
    )
    shards: int = Field(
        default=16,
        ge=1,
        le=5000,
        description="Number of stable buckets that items are divided into; each is a partition in Dagster.",
    )
    run_shards: int | None = Field(
        default=None,
        ge=1,
        description="Maximum shards that a run of a backfill, or a step of the job build, encodes. Several run at "
        "once, each with a model of its own, as far as pool and executor allow; unset: all shards in one.",
    )
    compute: ComputeSettings = ComputeSettings()
    index: IndexSettings = IndexSettings()
    checks: CheckSettings = CheckSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    automation: AutomationSettings = AutomationSettings()
    limits: LimitSettings = LimitSettings()
    serve: ServeSettings = ServeSettings()
    key_prefix: list[Name] = Field(
        default_factory=list,
        examples=[["catalog"]],
        description="Before every name in Dagster, from asset keys to resource keys: it keeps two pipelines apart.",
    )
    pool: str = Field(
        default=POOL,
        pattern=r"^\S+$",
        examples=["gpu", "cuda_1"],
        description="Dagster's pool of the steps that load a model; pipelines on the same device share one.",
    )
    executor: str = Field(
        default="in_process",
        pattern=r"^(in_process|multiprocess|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        examples=["multiprocess", "dagster_k8s:k8s_job_executor"],
        description="Dagster's executor of the jobs: in_process (a model is loaded once a run), multiprocess (each "
        "step is a process), or one of another package, as module:name.",
    )
    op_tags: dict[str, Any] = Field(
        default_factory=dict,
        examples=[{"dagster-k8s/config": {"container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}}],
        description="Dagster's tags of the steps that load a model: a GPU's node selector, a run's limits.",
    )
    retry: RetrySettings = RetrySettings()
    owners: list[str] = Field(
        default_factory=list, examples=[["team:search"]], description="Emails or team:NAME, shown in the UI."
    )
    accept_deletions: bool = Field(
        default=False,
        exclude=True,  # for one run: what is kept of the settings must not accept the next accident
        description="For one run, as --accept-deletions: max_deleted_share of the sources stops nothing.",
    )

    @model_validator(mode="after")
    def _sources_exist(self) -> "PipelineSettings":
        for name, encoder in self.encoders.items():
            for source in encoder.sources or ():
                if source not in self.sources:
                    known = ", ".join(sorted(self.sources))
                    raise ValueError(f"encoders.{name}.sources names {source!r}; the sources are: {known}")
        return self

    @property
    def written_in(self) -> WrittenIn:
        """The file that the settings were loaded from."""
        return self._written_in

    def with_file(self, written_in: WrittenIn) -> Self:
        """Return the same settings, which say that they are written in a file."""
        copied = self.model_copy()
        copied._written_in = written_in
        return copied

    def space(self, name: str) -> SpaceSettings:
        """Return the settings of a space, the defaults where it has none."""
        return self.spaces.get(name) or SpaceSettings()

    def sources_of(self, encoder: str) -> list[str]:
        """Return the names of the sources that an encoder reads, in the settings' order."""
        named = self.encoders[encoder].sources
        return [source for source in self.sources if named is None or source in named]
