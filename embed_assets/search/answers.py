"""Answer: the hits of a query, with what they were found by; a list, a data frame, a table, a notebook's view."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, overload

from embed_assets.media.cells.cell_values import plain

if TYPE_CHECKING:
    import pyarrow as pa

    from embed_assets.media.isolation.decoder_pool import Decoders

GOOD_MATCH = 99.0  # percentile against random pairs; benchmarks/search_quality.py has what lies on either side


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A part of an item that matches: characters of a text, milliseconds of a sound or video; None: the whole."""

    start: int | None
    end: int | None
    text: str | None
    score: float | None  # similarity; None where words alone found it
    kind: str = ""  # chunk, image, frame, window, clip


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One media item, ranked by its best segment. `score`: higher is nearer; 1 is the same."""

    rank: int
    score: float | None  # similarity in `space`; None where words alone found it
    source: str
    key: str
    uri: str
    modality: str
    text: str | None
    labels: tuple[str, ...]
    start: int | None  # of the best segment: characters, or milliseconds
    end: int | None
    media_id: str = ""
    space: str = ""  # in which it is ranked highest
    percentile: float | None = None  # share of random pairs that are less near, in percent
    ranks: Mapping[str, int] = field(default_factory=dict)  # by ranking: a space, or SPACE:words for full text
    spans: tuple[Span, ...] = ()  # best first
    columns: Mapping[str, Any] = field(default_factory=dict)  # the user's own
    duplicates: tuple[str, ...] = ()  # keys of nearly identical items that it stands for
    rerank_score: float | None = None
    good: bool | None = None  # whether its percentile is that of a good match; None where it has none

    def document(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {**asdict(self), "columns": plain(dict(self.columns))}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Hit":
        """Return the hit of a document."""
        lists = {name: tuple(document[name]) for name in ("labels", "duplicates")}
        return cls(**{**document, **lists, "spans": tuple(Span(**span) for span in document["spans"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchedSpace:
    """A space that answered, and by what: encoder and table come from one pointer."""

    space: str
    encoder: str
    encoder_version: str
    release: str
    live: bool = True


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer(Sequence[Hit]):
    """The hits of a query, best first."""

    hits: tuple[Hit, ...]
    spaces: tuple[SearchedSpace, ...] = ()
    mode: str = "vector"
    reranker: str | None = None  # model and version that ordered them
    encode_seconds: float = 0.0
    search_seconds: float = 0.0
    notes: tuple[str, ...] = ()  # what the reader should know: a space that takes no such part, say
    decoders: "Decoders | None" = field(default=None, repr=False, compare=False)  # of the notebook's thumbnails

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        """Return a hit, or several."""
        return self.hits[index]

    def __len__(self) -> int:
        """Return the number of hits."""
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        """Iterate over the hits, best first."""
        return iter(self.hits)

    def __repr__(self) -> str:
        """Return one line; the hits are printed one by one."""
        spaces = ", ".join(each.space for each in self.spaces)
        return f"<Answer: {len(self.hits)} hits in {spaces or 'no space'}, good_match={self.good_match}>"

    @property
    def good_match(self) -> bool | None:
        """Whether any hit is a good match: False is an answer too. None where nothing is calibrated."""
        known = [hit.good for hit in self.hits if hit.good is not None]
        return any(known) if known else (False if not self.hits else None)

    def document(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "hits": [hit.document() for hit in self.hits],
            "good_match": self.good_match,
            "spaces": [asdict(space) for space in self.spaces],
            "mode": self.mode,
            "reranker": self.reranker,
            "encode_seconds": round(self.encode_seconds, 4),
            "search_seconds": round(self.search_seconds, 4),
            "notes": list(self.notes),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Answer":
        """Return the answer of a document, as `document` or the service made it."""
        fields = {name: value for name, value in document.items() if name != "good_match"}
        return cls(
            **{
                **fields,
                "hits": tuple(map(Hit.from_document, document["hits"])),
                "spaces": tuple(SearchedSpace(**space) for space in document["spaces"]),
                "notes": tuple(document["notes"]),
            }
        )

    def to_arrow(self) -> "pa.Table":
        """Return the hits as an Arrow table: a column a field, and `extra_NAME` for each of the user's own columns."""
        import pyarrow as pa

        rows = [hit.document() for hit in self.hits]
        names = list(dict.fromkeys(name for row in rows for name in row["columns"]))
        flat = [
            {
                **{name: value for name, value in row.items() if name not in ("columns", "spans", "ranks")},
                **{f"extra_{name}": hit.columns.get(name) for name in names},
            }
            for hit, row in zip(self.hits, rows, strict=True)
        ]
        return pa.Table.from_pylist(flat)

    def to_pandas(self) -> Any:
        """Return the hits as a data frame, as `to_arrow`; needs pandas."""
        return self.to_arrow().to_pandas()

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a card for each hit, with its picture, player or passage."""
        from embed_assets.search.notebook_view import cards

        return cards(self.hits, good_match=self.good_match, decoders=self.decoders)
