"""Steps of saved queries: search as users do, compare with what was last reported, keep what is reported."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from embed_assets.errors import EmbedAssetsError, SavedQueryError, UnknownNameError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.reports.match_report import Gone, Match, MatchReport
from embed_assets.pipeline.reports.saved_query import SavedQuery
from embed_assets.quality.measured_report import seconds_since
from embed_assets.quality.random_pairs import FEWEST
from embed_assets.search.answers import Hit
from embed_assets.search.filters import both, parse_filter
from embed_assets.search.searcher import Searcher
from embed_assets.store.serving.kept_matches import KeptMatch, KeptMatches, keep_matches, read_matches
from embed_assets.store.serving.releases import Release

_AT_ONCE = 1000  # items in one filter


class MatchSteps:
    """Matches of the saved queries of the settings."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._store = context.store

    def matches(self, name: str) -> MatchReport:
        """Search with a saved query, and compare with its last report; nothing is kept.

        Raises UnknownNameError for a name that the settings lack, SavedQueryError that begins with the name.
        """
        saved = self._saved(name)
        try:
            return self._matches(name, saved)
        except EmbedAssetsError as error:
            raise SavedQueryError(f"Saved query {name!r}: {error}") from error

    def keep_matches(self, report: MatchReport) -> None:
        """Keep what was reported: from now on it is not new. Where that fails it is reported twice, never lost."""
        if report.release is None:
            return
        now = datetime.now(UTC).isoformat()
        if report.waits_for is None:
            items = {each.media_id: KeptMatch(name=each.name, since=each.since or now) for each in report.matches}
            made = KeptMatches(definition=report.definition, release=report.release, at=now, items=items)
        else:  # this release was looked at, and what had matched stays
            kept = self._known(report.name, report.definition) or KeptMatches(definition="", release="", at=now)
            made = replace(kept, release=report.release)
        keep_matches(self._store, report.name, made)

    def matches_are_due(self, name: str) -> bool:
        """Return whether the space serves another release than was last reported, or the query is another."""
        saved = self._saved(name)
        live = self._live(saved)
        if live is None:
            return False
        try:
            kept = read_matches(self._store, name)
            return kept is None or kept.release != live.key or kept.definition not in ("", saved.definition)
        except EmbedAssetsError:  # its report says why
            return True

    def reported(self) -> dict[str, KeptMatches]:
        """Return what was last reported of each saved query, without those that were not, or whose file is damaged."""
        found = {}
        for name in self._context.settings.saved_queries:
            with suppress(EmbedAssetsError):  # its own report says so
                if (kept := read_matches(self._store, name)) is not None:
                    found[name] = kept
        return found

    def _saved(self, name: str) -> SavedQuery:
        known = self._context.settings.saved_queries
        if name not in known:
            raise UnknownNameError("saved query", name, known, hint="See saved_queries of the settings.")
        return SavedQuery(known[name], self._context.settings.limits.max_bytes)

    def _known(self, name: str, definition: str) -> KeptMatches | None:
        """Return what was last reported of this very query; None where it was another, or there was no report."""
        kept = read_matches(self._store, name)
        return kept if kept is not None and kept.definition == definition else None

    def _live(self, saved: SavedQuery) -> Release | None:
        return self._store.serving.pointer(saved.settings.space).live

    def _matches(self, name: str, saved: SavedQuery) -> MatchReport:
        started, settings = time.monotonic(), self._context.settings
        known = self._known(name, saved.definition)
        searcher = Searcher(self._store, compute=settings.compute, limits=settings.limits)
        live = self._live(saved)
        waits_for = _waits_for(saved, live)
        found: list[Hit] = []
        more = False
        if waits_for is None:
            answer = searcher.search(saved.query())
            more = len(answer) == saved.settings.limit
            missing = set(known.items if known else ()) - {hit.media_id for hit in answer}
            found = _nearest_first([*answer, *_still_matching(searcher, saved, sorted(missing))])
        return MatchReport(
            name=name,
            space=saved.settings.space,
            query=saved.in_words,
            min_percentile=saved.settings.min_percentile,
            definition=saved.definition,
            encoder=live.encoder if live else None,
            version=live.encoder_version if live else None,
            release=live.key if live else None,
            compared_with=known.at if known else None,
            waits_for=waits_for,
            more=more,
            matches=tuple(_match(hit, known) for hit in found),
            gone=tuple(_gone(known, {hit.media_id for hit in found})) if waits_for is None and known else (),
            searched=live.rows if live else 0,
            seconds=seconds_since(started),
        )


def newly_reported(before: Mapping[str, KeptMatches], after: Mapping[str, KeptMatches]) -> dict[str, list[str]]:
    """Return the items that reports between two looks at `reported` had as new: saved query → SOURCE/KEY."""
    found = {}
    for name, kept in after.items():
        if name in before and before[name].definition == kept.definition:
            found[name] = sorted(kept.items[each].name for each in kept.items.keys() - before[name].items.keys())
    return {name: items for name, items in found.items() if items}


def _waits_for(saved: SavedQuery, live: Release | None) -> str | None:
    """Return why nothing can be matched yet: that is no mistake of the settings, and passes by itself."""
    space = saved.settings.space
    if live is None:
        return f"space {space!r} serves nothing."
    return None if live.calibration else f"space {space!r} has no percentiles, which take {FEWEST} segments."


def _still_matching(searcher: Searcher, saved: SavedQuery, missing: Sequence[str]) -> Iterator[Hit]:
    """Yield those of the items that match, though the answer lacks them: beyond `limit`, or not found by the ANN index.

    A filter of few items is searched exactly.
    """
    for start in range(0, len(missing), _AT_ONCE):
        own = parse_filter({"item": {"in": list(missing[start : start + _AT_ONCE])}})
        yield from searcher.search(saved.query(where=both(saved.filter, own)))


def _nearest_first(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: -(hit.score or 0.0))


def _match(hit: Hit, known: KeptMatches | None) -> Match:
    before = known.items.get(hit.media_id) if known else None
    return Match(
        media_id=hit.media_id,
        source=hit.source,
        key=hit.key,
        uri=hit.uri,
        modality=hit.modality,
        labels=hit.labels,
        text=hit.text or "",
        score=hit.score,
        percentile=hit.percentile,
        since=before.since if before else None,
        new=known is not None and before is None,
    )


def _gone(known: KeptMatches, found: set[str]) -> Iterator[Gone]:
    for media_id, item in known.items.items():
        if media_id not in found:
            yield Gone(media_id=media_id, name=item.name, since=item.since)
