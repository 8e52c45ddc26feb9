"""Steps of encoder versions: resolve one, look up the current and the active ones."""

from embed_assets import progress
from embed_assets.errors import StoreError
from embed_assets.pipeline.context import RunContext
from embed_assets.store.versions import VersionId, VersionRecord
from embed_assets.versions.resolve_version import Resolved, resolve


class VersionSteps:
    """Encoder versions of a pipeline."""

    def __init__(self, context: RunContext) -> None:
        self._settings = context.settings
        self._store = context.store

    def resolve(self, encoder: str, *, register: bool = True) -> Resolved:
        """Find the version that an encoder's settings mean; `register` it, keep its model's files, make it current."""
        progress.report("load", encoder, 0)
        return resolve(self._settings, self._store, encoder, register=register)

    def current(self, encoder: str) -> VersionRecord | None:
        """Return the version that the settings meant when they were last resolved."""
        return self._store.versions.current(encoder)

    def active(self, encoder: str) -> list[VersionRecord]:
        """Return the versions that new media must reach: the current one, then live and the roll-back targets."""
        versions, pointers = self._store.versions.of(encoder), self._store.serving.pointers()
        named = [each for each in reversed(versions[:-1]) if any(pointer.names(each.id) for pointer in pointers)]
        return [*versions[-1:], *named]

    def version(self, version: VersionId) -> VersionRecord:
        """Return a registered version. Raises StoreError where there is none of that name."""
        record = self._store.versions.get(version)
        if record is None:
            raise StoreError(
                f"Encoder {version.encoder!r} has no version {version.version!r} in store {self._store.uri!r}. "
                "Materialize its encoder asset first."
            )
        return record
