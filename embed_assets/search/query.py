"""Query: what is searched for, in parts with weights, and what of the answer is returned."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from embed_assets.errors import SettingsError
from embed_assets.search.filters import Filter

Mode = Literal["vector", "text", "hybrid"]
MOST_RESULTS = 10_000  # k and offset together
MOST_CHARACTERS = 20_000  # of a part's words
_MOST_PARTS = 16
_LARGEST_WEIGHT = 100.0
_GIVEN = ("text", "file", "picture", "upload", "item", "vector")

SpaceName = Annotated[str, Field(min_length=1, max_length=200)]


class QueryPart(BaseModel):
    """One part of a query: words, a file, a vector or a stored item. A negative weight takes its meaning away."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    text: str | None = Field(default=None, max_length=MOST_CHARACTERS, description="Words.")
    upload: str | None = Field(
        default=None, max_length=200, description="Name of a file of the same request, or the hash of an earlier one."
    )
    item: str | None = Field(
        default=None, max_length=4000, description="A stored item, for more like it: its id, or SOURCE/KEY."
    )
    start: int | None = Field(
        default=None, ge=0, le=2**53, description="Of an item: only the segment that starts here, as its span says."
    )
    vector: list[float] | None = Field(
        default=None, max_length=20_000, description="A vector of the one space searched."
    )
    encoder_version: str | None = Field(
        default=None, max_length=40, description="The encoder version that made the vector."
    )
    weight: float = Field(
        default=1.0, ge=-_LARGEST_WEIGHT, le=_LARGEST_WEIGHT, description="Below zero: away from this part."
    )
    # Given in Python alone: a file's bytes, or a decoded picture (PIL.Image.Image).
    file: SkipJsonSchema[bytes | None] = Field(default=None, exclude=True, repr=False)
    picture: SkipJsonSchema[Any] = Field(default=None, exclude=True, repr=False)

    @field_validator("file", "picture", mode="before")
    @classmethod
    def _is_given_in_python(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.mode == "json":
            raise ValueError("can't be given in JSON; name an upload")
        return value

    @field_validator("text")
    @classmethod
    def _words_are_text(cls, text: str | None) -> str | None:
        if text is None:
            return None
        if not text.strip():
            raise ValueError("the words are empty; write some, or leave the part out")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("the query is not valid Unicode; check the encoding of where it comes from") from None
        return text

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [name for name in _GIVEN if getattr(self, name) is not None]
        if len(given) != 1:
            found = "none of them" if not given else " and ".join(given)
            raise ValueError(f"a part is one of text, upload, item and vector; found {found}")
        if not self.weight:
            raise ValueError("weight is 0: leave the part out")
        if self.vector is not None and not self.encoder_version:
            raise ValueError("a vector needs the encoder_version that made it")
        if self.start is not None and self.item is None:
            raise ValueError("start is of an item")
        return self


class QueryOptions(BaseModel):
    """What of a query's answer is returned, and how it is ranked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spaces: list[SpaceName] = Field(
        default_factory=list, max_length=50, description="Spaces to ask; none: all that take every part."
    )
    mode: Mode = Field(
        default="vector", description="vector: by meaning. text: by words, full-text. hybrid: both, fused by rank."
    )
    k: int = Field(default=10, ge=1, le=MOST_RESULTS, description="Number of items to return.")
    offset: int = Field(default=0, ge=0, le=MOST_RESULTS, description="Number of items to leave out first.")
    where: Filter | None = Field(default=None, description="Only items for which this holds.")
    version: str | None = Field(
        default=None, max_length=40, description="An encoder version that is not live, for a comparison."
    )
    min_distance: float | None = Field(
        default=None, allow_inf_nan=False, description="Least distance of an item, of the space's own kind."
    )
    max_distance: float | None = Field(default=None, allow_inf_nan=False, description="Greatest distance of an item.")
    min_percentile: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Only items that are nearer than this share, in percent, of random pairs of the space.",
    )
    diversity: float = Field(
        default=0.0, ge=0, le=1, description="How far items that are like one before them go down: 0 not at all."
    )
    fold_duplicates: bool = Field(default=False, description="Show items that are nearly identical as one.")
    rerank: bool = Field(default=False, description="Order the first results again by the reranker of the searcher.")
    spans: int = Field(default=3, ge=1, le=50, description="Number of the best spans of an item to return.")

    @model_validator(mode="after")
    def _is_within_bounds(self) -> Self:
        if self.k + self.offset > MOST_RESULTS:
            raise ValueError(f"k and offset together are {self.k + self.offset}; at most {MOST_RESULTS}")
        if self.version is not None and len(self.spaces) != 1:
            raise ValueError("version needs the one space that it is of")
        least, most = self.min_distance, self.max_distance
        if least is not None and most is not None and least > most:
            raise ValueError("min_distance is greater than max_distance")
        return self


class Query(QueryOptions):
    """A whole query."""

    parts: tuple[QueryPart, ...] = Field(min_length=1, max_length=_MOST_PARTS)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if all(part.weight < 0 for part in self.parts):
            raise ValueError("all parts have negative weights: name at least one thing to look for")
        if self.mode != "vector" and not self.words:
            raise ValueError(f"mode {self.mode} needs words: add a part with text, or use mode vector")
        if self.mode == "text" and (self.min_distance, self.max_distance) != (None, None):
            raise ValueError(
                "words alone have no distance: leave min_distance and max_distance out, or use mode hybrid"
            )
        return self

    @property
    def words(self) -> str:
        """The words of all parts with a positive weight."""
        return " ".join(part.text for part in self.parts if part.text is not None and part.weight > 0)

    @property
    def unwanted_words(self) -> tuple[str, ...]:
        """The words of parts with a negative weight."""
        return tuple(part.text for part in self.parts if part.text is not None and part.weight < 0)


def query_of(**fields: Any) -> Query:
    """Return the Query of these fields. Raises SettingsError that names the field."""
    try:
        return Query(**fields)
    except ValidationError as error:
        raise SettingsError(query_fault(error)) from error


def query_fault(error: ValidationError) -> str:
    """Return one line on what is wrong with a query, the field first."""
    first = error.errors()[0]
    place = ".".join(str(each) for each in first["loc"])
    found = first["input"]
    message = first["msg"].removeprefix("Value error, ")
    brief = "" if isinstance(found, (dict, list, tuple)) else f", found {str(found)[:60]!r}"
    return f"{place or 'query'}: {message}{brief}."
