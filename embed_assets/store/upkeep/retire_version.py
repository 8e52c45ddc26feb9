"""Retire: drop an encoder version's vectors and everything that is kept for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from embed_assets.errors import StoreError
from embed_assets.store.query_vectors import queries_table
from embed_assets.store.serving.kept_projection import forget_projection
from embed_assets.store.serving.known_nearest import forget_nearest
from embed_assets.store.serving.releases import Release
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionId, VersionRecord


@dataclass(frozen=True, kw_only=True)
class Retired:
    """Counts of a retirement."""

    encoder: str
    version: str
    rows: int
    releases: int


def unused_versions(store: Store, encoder: str, *, current: str | None) -> list[VersionRecord]:
    """Return versions of an encoder that are neither current, nor live, nor roll-back targets; oldest first."""
    pointers = store.serving.pointers()
    return [
        record
        for record in store.versions.of(encoder)
        if record.version != current and not any(pointer.names(record.id) for pointer in pointers)
    ]


def retire(store: Store, version: VersionId, *, current: str | None) -> Retired:
    """Drop a version: its vectors, query vectors, releases, quarantine, canaries and record.

    `current` is the version that the encoder's settings mean; None where the settings do not name the
    encoder. Killed in the middle, a second call or a maintenance run finishes it. Raises StoreError where
    the version is current, live or to go back to.
    """
    record, table = store.versions.get(version), version.table
    if record is None and table not in store.table_names():
        others = ", ".join(others.version for others in store.versions.of(version.encoder)) or "none"
        raise StoreError(f"Encoder {version.encoder!r} has no version {version.version!r}. Its versions: {others}.")
    if version.version == current:
        raise StoreError(
            f"Version {version.version} of encoder {version.encoder!r} is what its settings mean now: the next "
            "run would embed it again. Change or remove the encoder in the settings first."
        )
    _require_unnamed(store, version)
    opened = store.open_or_none(table)
    rows = opened.count_rows() if opened else 0
    releases = _releases(store, table)
    forget(store, version, releases=releases)
    try:
        _require_unnamed(store, version)  # a promotion may have come between
    except StoreError:
        _remember(store, record, releases)
        raise
    drop_leftovers(store, version)
    return Retired(encoder=version.encoder, version=version.version, rows=rows, releases=len(releases))


def forget(store: Store, version: VersionId, *, releases: Iterable[Release]) -> None:
    """Remove the record and the releases: from here on the version can be neither loaded nor promoted."""
    store.versions.remove(version)
    store.releases.remove([release.key for release in releases])


def drop_leftovers(store: Store, version: VersionId) -> None:
    """Drop what an unregistered version left; its vector table last, since maintenance finds the rest by it."""
    table = version.table
    store.releases.remove([release.key for release in _releases(store, table)])
    store.canaries.remove(version)
    store.quarantine(table).clear()
    store.drop(queries_table(table))
    forget_nearest(store, table)
    forget_projection(store, table)
    store.drop(table)


def _releases(store: Store, table: str) -> list[Release]:
    return [release for release in store.releases.all() if release.table == table]


def _remember(store: Store, record: VersionRecord | None, releases: Iterable[Release]) -> None:
    """Undo `forget`. The version comes back as the encoder's latest: the next run sets right what is current."""
    if record is not None:
        store.versions.put(record)
    for release in releases:
        store.releases.put(release)


def _require_unnamed(store: Store, version: VersionId) -> None:
    for pointer in store.serving.pointers():
        if not pointer.names(version):
            continue
        if pointer.serves(version):
            raise StoreError(
                f"Version {version.version} of encoder {version.encoder!r} serves space {pointer.space!r}. Promote "
                f"another version or roll back first: embed-assets rollback {pointer.space}"
            )
        raise StoreError(
            f"Space {pointer.space!r} can go back to version {version.version} of encoder {version.encoder!r}. Promote "
            f"{pointer.space}'s candidate first, or lower spaces.{pointer.space}.keep_previous and promote."
        )
