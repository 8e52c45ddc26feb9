"""Releases: a Lance version of a vector table that may become live, with its search effort and checks."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from embed_assets.store.open_database import Database
from embed_assets.store.records import Records
from embed_assets.store.serving.score_calibration import Calibration
from embed_assets.store.upsert import one_of
from embed_assets.store.versions import VersionId

TABLE = "releases"
TAG = "release-"  # tags of table versions begin with it


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
    calibration: Calibration = field(default_factory=dict)  # by kind of query: how similar random pairs are
    recall_at_10: float | None = None  # that this effort reached when it was chosen; None: search is exact
    checks: tuple[CheckVerdict, ...] = ()
    indexed_by: str = ""  # hash of the settings that its indices were built by
    checked_by: str = ""  # hash of the settings and labelled queries that all its checks ran by; "": not all ran
    at: str = ""

    @property
    def version_id(self) -> VersionId:
        """The encoder version whose vectors these are."""
        return VersionId(self.encoder, self.encoder_version)

    @property
    def key(self) -> str:
        """Unique name: table and its Lance version."""
        return f"{self.table}@{self.table_version}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """Identity of a release: the table version, and the settings that it was indexed and checked by."""
        return self.key, self.indexed_by, self.checked_by

    def failures(self, required: frozenset[str], *, despite: Collection[str] = ()) -> list[str]:
        """Return the reasons against promotion: failed blocking checks, and required ones without a verdict.

        `despite` names failed checks that a person accepts.
        """
        names = {check.name for check in self.checks}
        failed = [check for check in self.checks if check.blocking and not check.passed and check.name not in despite]
        never_ran = [f"{name}: never ran on {self.key}" for name in sorted(required - names)]
        return [f"{check.name}: {check.summary}" for check in failed] + never_ran

    def refusal(self, required: frozenset[str], *, despite: Collection[str] = (), live: str = "") -> str:
        """Return why it is not promoted, with what stays live, in one line; "" where every blocking check passed."""
        failures = self.failures(required, despite=despite)
        stays = f", {live}" if live else ""
        return f"{self.key} is not promoted to space {self.space!r}{stays}: {'; '.join(failures)}" if failures else ""

    def document(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return asdict(self)


class Releases:
    """All releases of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records = Records(database, TABLE)

    def put(self, release: Release) -> None:
        """Record it, or replace the record of the same table version."""
        document = {k: v for k, v in release.document().items() if k != "at"}
        self._records.put(release.key, release.space, document)

    def get(self, key: str) -> Release | None:
        """Return the release of a key, `table@version`, or None."""
        document = self._records.get(key)
        return None if document is None else from_document(document)

    def all(self) -> list[Release]:
        """Return all releases, in the order in which they were recorded last."""
        return [from_document(document) for document in self._records.all()]

    def remove(self, keys: Collection[str]) -> None:
        """Forget releases, in one commit."""
        table = self._database.open_or_none(TABLE)
        if keys and table is not None:
            table.delete(one_of("key", list(keys)))

    def candidate(self, version: VersionId) -> Release | None:
        """Return the newest release of an encoder version, or None."""
        return newest(self.all()).get(version)


def newest(releases: Iterable[Release]) -> dict[VersionId, Release]:
    """Map each encoder version to its newest release: the candidate."""
    latest: dict[VersionId, Release] = {}
    for release in sorted(releases, key=lambda release: release.table_version):
        latest[release.version_id] = release
    return latest


def release_tag(release: Release) -> str:
    """Return the tag that keeps the release's table version from clean-ups."""
    return f"{TAG}{release.space}-{release.table_version}"


def from_document(document: Mapping[str, Any]) -> Release:
    """Return the release of a document, as `Release.document` made it."""
    checks = tuple(CheckVerdict(**check) for check in document["checks"])
    return Release(**{**document, "checks": checks})
