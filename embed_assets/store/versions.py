"""Encoder versions that the store knows: what each was made of, so that it can be loaded and told apart."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from embed_assets.encoders.spec import EncoderSpec
from embed_assets.store.connection import Store
from embed_assets.store.records import Records
from embed_assets.store.vectors import table_name

TABLE = "encoder_versions"


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
    at: str = ""

    @property
    def table(self) -> str:
        """Name of its vector table."""
        return table_name(self.encoder, self.version)


class EncoderVersions:
    """Registry of encoder versions, in the order in which they were first seen."""

    def __init__(self, store: Store) -> None:
        self._records = Records(store, TABLE)

    def add(self, record: VersionRecord) -> bool:
        """Register; True where this version was not known yet."""
        key = f"{record.encoder}/{record.version}"
        if self._records.get(key) is not None:
            return False
        document = {k: v for k, v in asdict(record).items() if k != "at"}
        self._records.put(key, record.encoder, document)
        return True

    def of(self, encoder: str) -> list[VersionRecord]:
        """All versions of an encoder, oldest first."""
        return [_record(document) for document in self._records.all(encoder)]

    def get(self, encoder: str, version: str) -> VersionRecord | None:
        """One version, or None."""
        document = self._records.get(f"{encoder}/{version}")
        return None if document is None else _record(document)


def _record(document: Mapping[str, Any]) -> VersionRecord:
    spec = dict(document["spec"])
    for name in ("modalities", "media"):
        spec[name] = tuple(spec[name])
    return VersionRecord(**{**document, "spec": EncoderSpec(**spec)})
