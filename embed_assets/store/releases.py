"""Releases: a Lance version of a vector table that may become live, with how it is asked and its checks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embed_assets.store.connection import Store
from embed_assets.store.records import Records

TABLE = "releases"


@dataclass(frozen=True, kw_only=True)
class CheckVerdict:
    """Outcome of one check on one release."""

    name: str
    passed: bool
    blocking: bool
    summary: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Release:
    """Everything a reader needs, in one record: which rows, whose vectors, how to ask."""

    space: str
    encoder: str
    encoder_version: str
    table: str
    table_version: int
    dim: int
    distance: str
    rows: int
    ann: bool  # whether there is an ANN index; without one every search is exact
    nprobes: int = 20
    refine_factor: int = 2
    recall_at_10: float | None = None  # that this effort reached when it was chosen; None: search is exact
    checks: tuple[CheckVerdict, ...] = ()
    at: str = ""

    @property
    def key(self) -> str:
        """Unique name: table and its Lance version."""
        return f"{self.table}@{self.table_version}"

    def failures(self, required: frozenset[str]) -> list[str]:
        """Why it may not become live: failed blocking checks, and required ones without a verdict."""
        seen = {check.name for check in self.checks}
        failed = [f"{check.name}: {check.summary}" for check in self.checks if check.blocking and not check.passed]
        return failed + [f"{name}: never ran on {self.key}" for name in sorted(required - seen)]

    def document(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)


class Releases:
    """All releases of a store."""

    def __init__(self, store: Store) -> None:
        self._records = Records(store, TABLE)

    def put(self, release: Release) -> None:
        """Record it, or replace the record of the same table version."""
        document = {k: v for k, v in release.document().items() if k != "at"}
        self._records.put(release.key, release.space, document)

    def get(self, key: str) -> Release | None:
        """By `table@version`, or None."""
        document = self._records.get(key)
        return None if document is None else from_document(document)

    def candidate(self, encoder: str, version: str) -> Release | None:
        """The newest release of an encoder version, or None."""
        own = [
            r for r in map(from_document, self._records.all()) if (r.encoder, r.encoder_version) == (encoder, version)
        ]
        return max(own, key=lambda release: release.table_version, default=None)


def from_document(document: Mapping[str, Any]) -> Release:
    """The inverse of `Release.document`."""
    checks = tuple(CheckVerdict(**check) for check in document["checks"])
    return Release(**{**document, "checks": checks})
