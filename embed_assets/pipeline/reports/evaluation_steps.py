"""Steps of evaluation: what a release of a space finds of what was judged, by way of search; nothing is stored."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embed_assets.embedding.batching import encode
from embed_assets.errors import SettingsError
from embed_assets.pipeline.context import RunContext
from embed_assets.pipeline.reports.judged_searches import JudgedSearch, JudgedSearches
from embed_assets.quality.evaluation.evaluation_report import EvaluationReport
from embed_assets.quality.evaluation.label_clusters import LabelClusters, label_clusters, singly_labelled
from embed_assets.quality.evaluation.similarity_judgements import SimilarityAgreement, agreement, read_pairs
from embed_assets.quality.evaluation.ways import ANN, EXACT, FILTERED, HYBRID, RERANKED, Answered, measured_ways
from embed_assets.quality.item_vectors import items_of, mean_vectors
from embed_assets.quality.leaderboard.judgements import Judgements, judgements_of
from embed_assets.quality.leaderboard.sample_items import COLUMNS
from embed_assets.quality.measured_report import seconds_since
from embed_assets.quality.queries.query_groups import groups_of_queries, kept_grades, query_filters
from embed_assets.search.open_spaces import OpenSpace
from embed_assets.store.versions import VersionRecord

if TYPE_CHECKING:
    from lancedb.table import Table

QUERIES = 500
_RERANKED = 100  # queries: a cross-encoder reads fifty texts for each


class EvaluationSteps:
    """Evaluations of the spaces' releases."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    def evaluate(
        self,
        space: str,
        *,
        version: str | None = None,
        queries: int = QUERIES,
        k: int = 10,
        similarity: str | None = None,
    ) -> EvaluationReport:
        """Measure the live release, or the newest of an encoder version, by each way of search, against exact search.

        `queries` are those judged in the space, else its own items by their labels, so many at most. `similarity` is a
        file of judged pairs, by default that of the settings. Raises StoreError where the space serves nothing,
        SettingsError where there is nothing to measure by.
        """
        started = time.monotonic()
        searches = JudgedSearches(self._context, space, version=version, queries=queries)
        opened = searches.open_space
        labelled = self._context.queries.labelled(space)
        items = items_of(opened.table, [*COLUMNS[1:], "modality"])
        found = judgements_of(items.select(list(COLUMNS)), labelled, most_labelled=queries)
        pairs = similarity or self._context.settings.space(space).similarity
        if found is None and pairs is None:
            raise _nothing_to_measure(space)
        answered = len(found) if found is not None and found.queries else 0
        judged = None if found is None else found.some(queries)
        ways, left_out = self._ways(searches, items, judged, k=k) if judged is not None else ([], {})
        return EvaluationReport(
            space=space,
            encoder=opened.release.encoder,
            version=opened.release.encoder_version,
            release=opened.release.key,
            live=opened.live,
            indexed=opened.release.ann,
            items=len(items),
            k=k,
            basis=None if judged is None else judged.basis,
            queries=0 if judged is None else len(judged),
            unanswerable=len(labelled) - answered,
            ways=measured_ways(ways, groups_of_queries(items, judged) if judged is not None else {}, k=k),
            left_out=left_out,
            similarity=None if pairs is None else self._similarity(opened.record, pairs),
            clusters=_clusters(opened.table, items, opened.release.distance),
            seconds=seconds_since(started),
        )

    def _ways(
        self, searches: JudgedSearches, items: pa.Table, judged: Judgements, *, k: int
    ) -> tuple[list[Answered], dict[str, str]]:
        """Answer the queries by every way that there is for them, and say why there is none."""
        all_queries, places = searches.searches(judged), list(range(len(judged)))
        exactly, seconds = _timed(lambda: searches.exact(all_queries, k=k))
        found = [
            Answered(way=EXACT, places=places, grades=judged.grades, found=exactly, exact=None, seconds=seconds),
        ]

        def add(way: str, chosen: Sequence[int], **options: Any) -> None:
            answers, seconds = _timed(
                lambda: searches.served([all_queries[place] for place in chosen], k=k, name=way, **options)
            )
            grades, exact = [judged.grades[place] for place in chosen], [exactly[place] for place in chosen]
            found.append(Answered(way=way, places=chosen, grades=grades, found=answers, exact=exact, seconds=seconds))

        add(ANN, places)
        left_out = dict[str, str]()
        if (filtered := _filtered(searches, items, judged, all_queries, k=k)) is not None:
            found.append(filtered)
        else:
            left_out[FILTERED] = "all items are of one source and one modality, and no label narrows a query"
        in_words = [place for place, each in enumerate(all_queries) if each.words is not None]
        left_out |= self._left_out(searches.open_space, in_words)
        if HYBRID not in left_out:
            add(HYBRID, in_words, mode="hybrid")
        if RERANKED not in left_out:
            add(RERANKED, in_words[:_RERANKED], rerank=True)
        return found, left_out

    def _left_out(self, opened: OpenSpace, in_words: Sequence[int]) -> dict[str, str]:
        """Return why queries can't be searched by words, and why none can be reranked."""
        reasons = dict[str, str]()
        if not in_words:
            reasons[HYBRID] = reasons[RERANKED] = "no query is in words"
        elif not opened.has_words:
            reasons[HYBRID] = "the items have no texts to search by words"
        if self._context.settings.serve.reranker is None:
            reasons[RERANKED] = "serve.reranker names no cross-encoder"
        return reasons

    def _similarity(self, record: VersionRecord, file: str) -> SimilarityAgreement:
        """Encode both texts of each pair as items are, and compare."""
        if "text" not in record.spec.modalities:
            raise SettingsError(
                f"{file}: pairs are texts, and encoder {record.encoder!r} takes {', '.join(record.spec.modalities)}."
            )
        pairs = read_pairs(file)
        encoder = self._context.encoder(record)
        texts = list(dict.fromkeys(text for each in pairs for text in (each.a, each.b)))
        prepared = [encoder.prepare("text", text) for text in texts]
        vectors = encode(encoder, prepared, limits=self._context.batch_limits(encoder))
        places = {text: place for place, text in enumerate(texts)}
        one, other = (vectors[[places[text] for text in side]] for side in ([p.a for p in pairs], [p.b for p in pairs]))
        return agreement(one, other, [each.score for each in pairs])


def _filtered(
    searches: JudgedSearches, items: pa.Table, judged: Judgements, all_queries: Sequence[JudgedSearch], *, k: int
) -> Answered | None:
    """Search with each query under a filter that its first relevant item fulfils, as it is served and exactly."""
    by_id = {row["media_id"]: row for row in items.to_pylist()}
    chosen = {place: each for place, each in enumerate(query_filters(items, judged)) if each is not None}
    if not chosen:
        return None
    narrowed = [replace(all_queries[place], filter=each) for place, each in chosen.items()]
    exact = searches.exact(narrowed, k=k)
    found, seconds = _timed(lambda: searches.served(narrowed, k=k, name=FILTERED))
    grades = [kept_grades(judged.grades[place], each, by_id) for place, each in chosen.items()]
    return Answered(way=FILTERED, places=list(chosen), grades=grades, found=found, exact=exact, seconds=seconds)


def _clusters(table: "Table", items: pa.Table, distance: str) -> LabelClusters | None:
    rows = items.select(["media_id", "labels"]).to_pylist()
    labels = singly_labelled({row["media_id"]: row["labels"] or () for row in rows})
    if len(set(labels.values())) < 2:
        return None
    names, vectors = mean_vectors(table, list(labels), distance=distance)
    return label_clusters(vectors, [labels[name] for name in names], distance=distance)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.monotonic()
    return work(), time.monotonic() - started


def _nothing_to_measure(space: str) -> SettingsError:
    return SettingsError(
        f"Space {space!r} has nothing to evaluate by: no judged query has a relevant item there, and no two items "
        f"share a label. Name judged queries in spaces.{space}.queries, judged pairs in spaces.{space}.similarity, or "
        "label the media."
    )
