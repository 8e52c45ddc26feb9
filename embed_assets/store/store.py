"""Store: the database of one pipeline and its tables: manifest, vectors, versions, releases, pointers, history."""

from functools import cached_property

from embed_assets.store.asset_value_tables import LandedTable
from embed_assets.store.canary_vectors import CanaryVectors
from embed_assets.store.history import History
from embed_assets.store.manifest import Manifest
from embed_assets.store.model_copies import ModelCopies
from embed_assets.store.open_database import Database
from embed_assets.store.quarantine import Quarantine
from embed_assets.store.serving.releases import Releases
from embed_assets.store.serving.serving_pointer import Serving
from embed_assets.store.vectors import VectorTable
from embed_assets.store.versions import EncoderVersions, VersionId


class Store(Database):
    """A database, and what each of its tables is read and written by. The tables know `Database` alone."""

    @cached_property
    def manifest(self) -> Manifest:
        """Media items of all sources."""
        return Manifest(self)

    @cached_property
    def versions(self) -> EncoderVersions:
        """Registered encoder versions."""
        return EncoderVersions(self)

    @cached_property
    def canaries(self) -> CanaryVectors:
        """Vectors of fixed inputs, by encoder version."""
        return CanaryVectors(self)

    @cached_property
    def releases(self) -> Releases:
        """Releases of all spaces."""
        return Releases(self)

    @cached_property
    def serving(self) -> Serving:
        """Serving pointers of all spaces."""
        return Serving(self)

    @cached_property
    def history(self) -> History:
        """Events, oldest first."""
        return History(self)

    @cached_property
    def model_copies(self) -> ModelCopies:
        """Local model files, kept by content."""
        return ModelCopies(self)

    def vectors(self, version: VersionId, *, at: int | None = None) -> VectorTable:
        """Return the vector table of an encoder version, as it is or as it was at a Lance version."""
        return VectorTable(self, version, at=at)

    def quarantine(self, table: str) -> Quarantine:
        """Return the items that were quarantined while encoding into a vector table."""
        return Quarantine(self, table)

    def landed(self, source: str) -> LandedTable:
        """Return the table in which the value of a source's asset is kept."""
        return LandedTable(self, source)
