"""What promote and rollback share: who moved a pointer, what it serves then, in one line or as JSON."""

import getpass
import time
from collections.abc import Callable, Iterable

from embed_assets.cli.shared.dagster_records import tell_moved
from embed_assets.cli.shared.options import short_path
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.errors import StoreError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionRecord


def by(command: str) -> str:
    """Return the user's name, for the history."""
    try:
        return f"{getpass.getuser()}: embed-assets {command}"
    except (KeyError, OSError):  # a container without a user
        return f"embed-assets {command}"


def move(steps: Steps, space: str, action: Callable[[], Pointer], *, as_json: bool) -> None:
    """Move a space's pointer and print what serves now."""
    before = steps.store.serving.pointer(space)
    started = time.perf_counter()
    pointer = action()
    milliseconds = round(1000 * (time.perf_counter() - started), 1)
    moved = pointer.generation != before.generation
    if as_json:
        figures = {"moved": moved, "milliseconds": milliseconds}
        say_json(pointer_document(pointer) | figures)
    else:
        serves = name(pointer.live) if pointer.live else "nothing"
        when = f"now, generation {pointer.generation}, moved in {milliseconds} ms" if moved else "already"
        say(f"Space {space} serves {serves} {when}. {_next(steps, pointer)}")
    if moved:
        tell_moved(steps, [pointer])


def pointer_document(pointer: Pointer) -> dict[str, object]:
    """Convert a pointer to JSON-able values."""
    return {
        "space": pointer.space,
        "generation": pointer.generation,
        "live": _release(pointer.live) if pointer.live else None,
        "earlier": [_release(release) for release in pointer.rollback_targets],
        "held": list(pointer.held),
        "by": pointer.moved_by,
        "at": pointer.moved_at,
    }


def name(release: Release) -> str:
    """Format encoder, version and table version of a release."""
    return f"{release.encoder} {release.encoder_version} at table version {release.table_version}"


def named_version(records: Iterable[VersionRecord], version: str) -> VersionRecord:
    """Return the version that begins so. Raises StoreError where none or several do."""
    records = list(records)
    found = [record for record in records if record.version.startswith(version)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{record.encoder} {record.version}" for record in records) or "none"
    raise StoreError(f"{'Several versions begin' if found else 'No version begins'} with {version!r}. Known: {known}.")


def all_versions(steps: Steps) -> list[VersionRecord]:
    """Return the versions of all encoders, those no longer in the settings included."""
    versions = steps.store.versions
    return [record for encoder in versions.encoders() for record in versions.of(encoder)]


def _release(release: Release) -> dict[str, object]:
    return {
        "encoder": release.encoder,
        "version": release.encoder_version,
        "table": release.table,
        "table_version": release.table_version,
        "rows": release.rows,
    }


def _next(steps: Steps, pointer: Pointer) -> str:
    store = short_path(steps.store.uri)
    if pointer.previous is None:
        return f'Next: embed-assets search "a query" --space {pointer.space} --store {store}'
    back = pointer.previous
    return f"Back to {back.encoder} {back.encoder_version}: embed-assets rollback {pointer.space} --store {store}"
