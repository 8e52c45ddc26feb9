"""Encoder versions of the store: their identity by part, and the recipe that loads them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.store.open_database import Database
from embed_assets.store.records import Records

TABLE = "encoder_versions"


@dataclass(frozen=True, order=True, slots=True)
class VersionId:
    """An encoder's name and one of its versions."""

    encoder: str
    version: str

    @classmethod
    def of_table(cls, table: str) -> "VersionId":
        """Return the version that a vector table is named after."""
        encoder, _, version = table.rpartition("__")
        return cls(encoder, version)

    @property
    def table(self) -> str:
        """Name of the vector table."""
        return f"{self.encoder}__{self.version}"

    def __str__(self) -> str:
        return f"{self.encoder}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """One encoder version: its identity and the recipe that loads it."""

    encoder: str
    version: str
    dim: int
    parts: Mapping[str, str]  # identity: name → hash or short value
    segmenting: Mapping[str, Any]
    spec: EncoderSpec
    dtype: str
    vector_dtype: str
    revision: str | None
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)  # kept files of a local model: name → sha256
    aliases: tuple[str, ...] = ()  # identities that other libraries give the same files and canary vectors
    at: str = ""  # when it became current, or where another took its place when that was

    @property
    def id(self) -> VersionId:
        """The encoder's name and the version."""
        return VersionId(self.encoder, self.version)

    @property
    def table(self) -> str:
        """Name of its vector table."""
        return self.id.table


class EncoderVersions:
    """Registry of encoder versions, in the order in which they were last current."""

    def __init__(self, database: Database) -> None:
        self._records = Records(database, TABLE)

    def add(self, record: VersionRecord) -> bool:
        """Register a version and make it the encoder's current one; return whether it is new.

        Writes only where something is new: the version, its place (an older one came back), or its recipe
        (the model was renamed). The version that was current until now is stamped with that moment.
        """
        versions = self.of(record.encoder)
        old = next((version for version in versions if version.version == record.version), None)
        same = old is not None and replace(record, at=old.at, libraries=old.libraries) == old
        if versions and versions[-1].version != record.version:
            self.put(versions[-1])
        if not same or versions[-1].version != record.version:
            self.put(record)
        return old is None

    def put(self, record: VersionRecord) -> None:
        """Write the record, whatever was there; it becomes the encoder's current version."""
        document = {k: v for k, v in asdict(record).items() if k != "at"}
        self._records.put(str(record.id), record.encoder, document)

    def remove(self, version: VersionId) -> None:
        """Forget a version."""
        self._records.remove(str(version))

    def encoders(self) -> list[str]:
        """Return the encoders that have versions."""
        return sorted({document["encoder"] for document in self._records.all()})

    def of(self, encoder: str) -> list[VersionRecord]:
        """Return all versions of an encoder; the current one is the last."""
        return [_record(document) for document in self._records.all(encoder)]

    def current(self, encoder: str) -> VersionRecord | None:
        """Return the version that the encoder's settings meant when they were last resolved."""
        versions = self.of(encoder)
        return versions[-1] if versions else None

    def get(self, version: VersionId) -> VersionRecord | None:
        """Return one version, or None."""
        document = self._records.get(str(version))
        return None if document is None else _record(document)


def _record(document: Mapping[str, Any]) -> VersionRecord:
    spec = dict(document["spec"])
    for name in ("modalities", "media"):
        spec[name] = tuple(spec[name])
    aliases = tuple(document.get("aliases", ()))
    return VersionRecord(**{**document, "spec": EncoderSpec(**spec), "aliases": aliases})
