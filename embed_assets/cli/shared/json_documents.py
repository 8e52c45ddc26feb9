"""What each command prints with --json, as types; `schema_of` makes the JSON Schemas of docs/json/ from them."""

from typing import Any

from typing_extensions import TypedDict  # pydantic's demand below Python 3.12

from embed_assets.embedding.cost_forecast import Forecast
from embed_assets.manifest.refresh import RefreshReport
from embed_assets.manifest.unmatched_sidecar_rows import Unmatched
from embed_assets.manifest.unreachable_items import UnreachableItems
from embed_assets.pipeline.item_details import ItemDetails
from embed_assets.pipeline.plan_report import IdentityChange
from embed_assets.pipeline.quarantined_items import Quarantined
from embed_assets.pipeline.reports.match_report import MatchReport
from embed_assets.pipeline.status import EncoderStatus, SourceStatus
from embed_assets.quality.balance.balance_report import BalanceReport
from embed_assets.quality.drift.drift_report import DriftReport
from embed_assets.quality.evaluation.evaluation_report import EvaluationReport
from embed_assets.quality.inspection.inspection_report import DuplicatesReport, LabelsReport, OutliersReport
from embed_assets.quality.leaderboard.leaderboard_document import LeaderboardDocument
from embed_assets.quality.map.item_map import MapDocument
from embed_assets.quality.noise.noise_report import NoiseReport
from embed_assets.service.documents import AnswerDocument
from embed_assets.sinks.export_report import ExportReport
from embed_assets.store.upkeep.repair import Damage
from embed_assets.store.upkeep.retire_version import Retired


class StatusDocument(TypedDict):
    """Output of `embed-assets status --json`."""

    store: str
    fresh: bool
    sources: list[SourceStatus]
    encoders: list[EncoderStatus]
    unencoded: dict[str, dict[str, int]]  # source → kind → items
    unresolved: list[str]
    unusable: dict[str, str]
    out_of_reach: dict[str, list[UnreachableItems]]
    unmatched: dict[str, Unmatched]
    column_conflicts: list[str]
    whole_tables: dict[str, str]


class RunDocument(StatusDocument):
    """Output of `embed-assets run --json`."""

    changed: bool
    stopped: str | None
    left: int
    held_back: str | None
    new_matches: dict[str, list[str]]  # saved query → SOURCE/KEY


class ItemCounts(TypedDict):
    """Items of a plan by class."""

    new: int
    edited: int
    stale: int
    renamed: int
    deleted: int
    errored: int
    unchanged: int


class SourceCounts(ItemCounts):
    """Items of one source by class."""

    source: str


class ShardCounts(SourceCounts):
    """Items of one shard by class."""

    shard: str


class VersionPlanDocument(TypedDict):
    """Work of one encoder version."""

    version: str
    role: str
    fresh: bool
    settled: bool
    sources: list[SourceCounts]
    shards: list[ShardCounts]
    errors: dict[str, dict[str, int]]
    forecast: list[Forecast]
    total: Forecast


class GateDocument(TypedDict):
    """Conditions of a promotion."""

    promotion: str
    by_hand: str
    held: bool
    blocking: list[str]
    judged: int


class EncoderPlanDocument(TypedDict):
    """Active versions of an encoder."""

    encoder: str
    space: str
    fresh: bool
    version: str
    live: str | None
    against: str | None
    changes: list[IdentityChange]
    same: list[str]
    gate: GateDocument
    versions: list[VersionPlanDocument]


class PlanDocument(TypedDict):
    """Output of `embed-assets plan --json`; `run` is null unless --yes ran it."""

    store: str
    fresh: bool
    refreshed: list[RefreshReport]
    encoders: list[EncoderPlanDocument]
    total: Forecast
    budget: str | None
    run: "RunDocument | None"


class ReleaseDocument(TypedDict):
    """Table version that a pointer names."""

    encoder: str
    version: str
    table: str
    table_version: int
    rows: int


class MoveDocument(TypedDict):
    """Output of `embed-assets promote --json` and `rollback --json`."""

    space: str
    generation: int
    live: ReleaseDocument | None
    earlier: list[ReleaseDocument]
    held: list[str]
    by: str
    at: str
    moved: bool
    milliseconds: float


class RetryDocument(TypedDict):
    """Output of `embed-assets retry --json`."""

    items: int


class MaintenanceDocument(TypedDict):
    """Output of `embed-assets maintain --json`."""

    compacted: dict[str, int]
    indexed: dict[str, int]
    cleaned: dict[str, int]
    bytes_removed: int
    tagged: list[str]
    untagged: list[str]
    retired: list[tuple[str, str]]
    dropped: list[str]
    skipped: dict[str, str]
    left: list[str]
    seconds: float
    changed: list[str]
    versions_removed: int


class EncoderFacts(TypedDict):
    """An entry of `embed-assets encoders --json`."""

    name: str
    model: str
    media: str
    queries: str
    space: str
    dim: int | None
    tap: str
    pooling: str
    license: str
    download_mb: float | None
    extra: str
    source: str


DOCUMENTS: dict[str, Any] = {
    "compare": LeaderboardDocument,
    "encoders": list[EncoderFacts],
    "export": list[ExportReport],
    "history": list[dict[str, Any]],  # each has kind and at; what else, the kind decides
    "maintain": MaintenanceDocument,
    "plan": PlanDocument,
    "promote": MoveDocument,
    "quarantine": list[Quarantined],
    "repair": list[Damage],
    "report balance": list[BalanceReport],
    "report drift": list[DriftReport],
    "report evaluation": list[EvaluationReport],
    "report noise": list[NoiseReport],
    "report duplicates": list[DuplicatesReport],
    "report labels": list[LabelsReport],
    "report matches": list[MatchReport],
    "report map": list[MapDocument],
    "report outliers": list[OutliersReport],
    "retire": list[Retired],
    "retry": RetryDocument,
    "rollback": MoveDocument,
    "run": RunDocument,
    "search": AnswerDocument,
    "show": ItemDetails,
    "status": StatusDocument,
}


def schema_of(command: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a command's output: every field is required, no other is allowed."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(DOCUMENTS[command]).json_schema(mode="serialization")
    _close(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"embed-assets {command}", **schema}


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema:
            schema["additionalProperties"] = False
            schema["required"] = sorted(schema["properties"])
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)
