"""empty_reason: an index without rows is no success, and never takes the place of one that has rows."""

from collections import Counter

from embed_assets.settings import PipelineSettings
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.vectors import BEYOND_FLOAT16, NOT_FINITE

_REASONS = 3  # that are named


def empty_reason(settings: PipelineSettings, store: Store, release: Release) -> str:
    """Return why a release without rows must not go live; "" if it may.

    It may if the sources hold items that other encoders take, or if the run accepts deletions. It may not
    if none of the encoder's vectors can be stored: a model with broken weights.
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
    modalities = _encoded_modalities(settings, store)
    present = [row for row in rows if row["status"] != "deleted"]
    if reason := _unstorable_reason(store, release, {row["media_id"] for row in present}):
        return reason
    if any(row["status"] == "ok" and (modalities is None or row["modality"] in modalities) for row in present):
        return ""
    return "nothing to embed: " + "; ".join(_source_reason(settings, name, present) for name in settings.sources)


def _unstorable_reason(store: Store, release: Release, items: set[str]) -> str:
    """Return that no vector of the encoder can be stored, with the reasons; "" if that is not the case."""
    rows = [row for row in store.quarantine(release.table).rows(["media_id", "reason"]) if row["media_id"] in items]
    why = Counter(row["reason"] for row in rows)
    if not why or set(why) - {NOT_FINITE, BEYOND_FLOAT16}:
        return ""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in why.most_common(_REASONS))
    return f"no vector of encoder {release.encoder!r} can be stored: {reasons}. Check the model's weights"


def _encoded_modalities(settings: PipelineSettings, store: Store) -> set[str] | None:
    """Return the kinds of media that the settings' encoders take; None if one of them has no version yet."""
    records = [store.versions.of(encoder) for encoder in settings.encoders]
    if not all(records):
        return None
    return {modality for versions in records for modality in versions[-1].spec.media}


def _source_reason(settings: PipelineSettings, name: str, rows: list[dict[str, str]]) -> str:
    own = [row for row in rows if row["source"] == name]
    place = f"source {name!r} ({settings.sources[name].address})"
    if not own:
        return f"{place} lists no item that matches pattern {settings.sources[name].pattern!r}"
    why = Counter(
        row["reason"] if row["status"] == "quarantined" else f"{row['modality']}, which no encoder takes" for row in own
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in why.most_common(_REASONS))
    return f"{place} has {len(own):,} items, none that can be used: {reasons}"
