"""Where an asset is stored, under the keys that Dagster shows on its page and finds it by."""

from embed_assets.media.files.redacted_uri import shown
from embed_assets.settings import PipelineSettings

_KIND = "lancedb"
STORAGE_KIND = {"dagster/storage_kind": _KIND}  # a tag of the definition


def storage_metadata(settings: PipelineSettings, table: str | None = None) -> dict[str, str]:
    """Name the store, and the Lance table in it where it is known: of a definition it may depend on the version."""
    named = {"dagster/table_name": table} if table is not None else {}
    return {"dagster/uri": shown(settings.store), "dagster/storage_kind": _KIND, **named}
