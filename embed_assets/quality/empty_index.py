"""why_empty: an index of nothing is no success, and never takes the place of one that has rows."""

from collections import Counter

from embed_assets.settings import PipelineSettings
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.vectors import BEYOND_FLOAT16, NOT_FINITE

_REASONS = 3  # that are named


def why_empty(settings: PipelineSettings, store: Store, release: Release) -> str:
    """Why a release without rows must not serve, in words; "" where it may.

    It may where the sources hold items that other encoders take, and where the run accepts deletions. It may not
    where no vector that the encoder made can be stored: a model with broken weights.
    """
    if release.rows or settings.accept_deletions:
        return ""
    live = store.serving.pointer(release.space).live
    if live is not None and live.rows:
        return (
            f"no vectors, where {live.key}, which serves, has {live.rows:,}. Restore the media, or let them go: "
            "embed-assets run --accept-deletions"
        )
    columns = ("media_id", "source", "modality", "status", "reason")
    rows = store.manifest.table(settings.sources, columns=columns).to_pylist()
    taken = _taken(settings, store)
    found = [row for row in rows if row["status"] != "deleted"]
    if unusable := _unusable(store, release, {row["media_id"] for row in found}):
        return unusable
    if any(row["status"] == "ok" and (taken is None or row["modality"] in taken) for row in found):
        return ""
    return "nothing to embed: " + "; ".join(_of_source(settings, name, found) for name in settings.sources)


def _unusable(store: Store, release: Release, items: set[str]) -> str:
    """That the encoder has no vector for anything that it was given, in words; "" where that is not the reason."""
    aside = [row for row in store.quarantine(release.table).rows(["media_id", "reason"]) if row["media_id"] in items]
    why = Counter(row["reason"] for row in aside)
    if not why or set(why) - {NOT_FINITE, BEYOND_FLOAT16}:
        return ""
    named = ", ".join(f"{count:,} {reason}" for reason, count in why.most_common(_REASONS))
    return f"no vector of encoder {release.encoder!r} can be stored: {named}. Check the model's weights"


def _taken(settings: PipelineSettings, store: Store) -> set[str] | None:
    """Kinds of media that some encoder of the settings takes; None where one of them has no version yet."""
    versions = [store.versions.of(encoder) for encoder in settings.encoders]
    if not all(versions):
        return None
    return {kind for known in versions for kind in known[-1].spec.media}


def _of_source(settings: PipelineSettings, name: str, rows: list[dict[str, str]]) -> str:
    own = [row for row in rows if row["source"] == name]
    place = f"source {name!r} ({settings.sources[name].address})"
    if not own:
        return f"{place} lists no item that pattern {settings.sources[name].pattern!r} fits"
    why = Counter(
        row["reason"] if row["status"] == "quarantined" else f"{row['modality']}, which no encoder takes" for row in own
    )
    named = ", ".join(f"{count} {reason}" for reason, count in why.most_common(_REASONS))
    return f"{place} has {len(own):,} items, none that can be used: {named}"
