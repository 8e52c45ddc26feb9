"""Resolve: from an encoder's settings to its encoder version, compared with those of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embed_assets.encoders.loading.identity import difference
from embed_assets.manifest.open_sources import limits_of, segmenting_of
from embed_assets.settings import PipelineSettings
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.canary_check import same_but_for_libraries, same_vectors
from embed_assets.versions.load_version import load_version, local_files, make_version


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """An encoder version as it was found, and how it differs from the one before."""

    record: VersionRecord
    is_new: bool
    changes: Sequence[str]  # against the version before, in words
    same: Sequence[str] = ()  # parts of the identity that stayed equal
    before: VersionRecord | None = None


def resolve(settings: PipelineSettings, store: Store, encoder: str, *, register: bool) -> Resolved:
    """Find the version of an encoder; `register` makes it current and keeps its model's files.

    Where other library versions hash the same files otherwise, canary vectors decide: if they did not
    move, it is the old version under an alias, and nothing is encoded again.
    """
    current = _record_of_settings(settings, encoder)
    versions = store.versions
    registered = versions.of(encoder)
    old = next((v for v in registered if current.version in (v.version, *v.aliases)), None)
    if old is None and registered:
        current = replace(current, files=_file_hashes(settings, current))
        old = _under_other_libraries(settings, store, current, registered)
    record = _with_old_identity(current, old) if old else current
    if register:
        record = record if old else _with_kept_files(settings, store, record)
        versions.add(record)
    before = next((v for v in reversed(registered) if v.version != record.version), None)
    return Resolved(
        record=record,
        is_new=old is None,
        changes=_changes(before, record) if before else [],
        same=sorted(name for name, part in record.parts.items() if before and before.parts.get(name) == part),
        before=before,
    )


def _record_of_settings(settings: PipelineSettings, encoder: str) -> VersionRecord:
    chosen = settings.encoders[encoder]
    return make_version(
        encoder,
        chosen,
        compute=settings.compute,
        segmenting=segmenting_of(chosen.segment),
        limits=limits_of(settings.limits),
        vector_dtype=settings.index.vector_dtype,
    )


def _with_old_identity(current: VersionRecord, old: VersionRecord) -> VersionRecord:
    """Return the known version, with today's recipe: its model may have another name now."""
    others = [current.version] if current.version not in (old.version, *old.aliases) else []
    return replace(current, version=old.version, parts=old.parts, files=old.files, aliases=(*old.aliases, *others))


def _under_other_libraries(
    settings: PipelineSettings, store: Store, current: VersionRecord, registered: Sequence[VersionRecord]
) -> VersionRecord | None:
    likely = [old for old in reversed(registered) if same_but_for_libraries(old, current)]
    if not likely:
        return None
    encoder = load_version(current, compute=settings.compute)
    canaries = store.canaries
    return next((old for old in likely if same_vectors(current, old, encoder, canaries)), None)


def _file_hashes(settings: PipelineSettings, record: VersionRecord) -> dict[str, str]:
    files = local_files(record, offline=settings.compute.offline)
    return {name: sha for name, (_, sha) in files.items()}


def _with_kept_files(settings: PipelineSettings, store: Store, record: VersionRecord) -> VersionRecord:
    files = local_files(record, offline=settings.compute.offline)
    if settings.compute.keep_models:
        store.model_copies.keep(files)
    return replace(record, files={name: sha for name, (_, sha) in files.items()})


def _changes(before: VersionRecord, now: VersionRecord) -> list[str]:
    return difference({**before.parts, **_flattened(before.segmenting)}, {**now.parts, **_flattened(now.segmenting)})


def _flattened(nested: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten settings to name → text, as "segment.max_tokens", whatever their order."""
    texts: dict[str, str] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            texts |= _flattened(value, f"{prefix}{name}.")
        else:
            texts[prefix + name] = str(list(value) if isinstance(value, tuple) else value)
    return texts
