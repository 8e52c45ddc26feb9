"""Match report: the items that match a saved query, which of them are new, and which match no more."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Match:
    """An item at or above the cut-off."""

    media_id: str
    source: str
    key: str
    uri: str
    modality: str
    labels: tuple[str, ...]
    text: str
    score: float | None
    percentile: float | None  # share of random pairs that are less near, in percent
    since: str | None  # ISO time of the report that had it first; null where none has had it
    new: bool  # it did not match when the query was last reported

    @property
    def name(self) -> str:
        """SOURCE/KEY."""
        return f"{self.source}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class Gone:
    """An item that matched when the query was last reported, and does no more."""

    media_id: str
    name: str  # SOURCE/KEY, as it was
    since: str


@dataclass(frozen=True, kw_only=True)
class MatchReport:
    """What a saved query finds, compared by item with its last report. `definition` is a hash of the query."""

    name: str
    space: str
    query: str  # in words
    min_percentile: float
    definition: str
    encoder: str | None  # null where the space serves nothing
    version: str | None
    release: str | None
    compared_with: str | None  # ISO time of the last report of this query; null: this is the first
    waits_for: str | None  # why nothing can be matched yet
    more: bool  # as many as `limit` match: there may be others
    matches: tuple[Match, ...] = ()  # nearest first
    gone: tuple[Gone, ...] = ()
    searched: int = 0  # segments of the release
    seconds: float = 0.0

    def sample(self) -> str:
        """Say what was searched."""
        return f"all {self.searched:,} segments of the space"

    @property
    def first(self) -> bool:
        """Whether there is nothing to compare with: then no match counts as new."""
        return self.compared_with is None

    @property
    def new(self) -> tuple[Match, ...]:
        """Matches that were none when the query was last reported."""
        return tuple(each for each in self.matches if each.new)

    def in_words(self) -> str:
        """Say it in a sentence or two."""
        if self.waits_for is not None:
            return f"{self.query}: nothing is matched yet: {self.waits_for}"
        since = "the first report" if self.first else f"{len(self.new):,} new, {len(self.gone):,} gone"
        more = "; there may be more than `limit`" if self.more else ""
        return f"{self.query}: {len(self.matches):,} matches ({since}{more})."
