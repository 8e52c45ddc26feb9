"""Arrow cells as values that Python and JSON can hold; an unreadable cell does not affect the others."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from embed_assets.media.cells.iso_times import iso_duration, iso_interval, iso_moment

if TYPE_CHECKING:
    import pyarrow as pa

DEEPEST = 64  # levels of lists and structures in one cell

_PER_SECOND = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True, slots=True)
class UnreadableCell:
    """An unreadable cell; `reason` goes before "in column …" in the reason of its row."""

    reason: str


def to_python(array: "pa.Array") -> list[Any]:
    """Return the cells of a column, each a Python value or `UnreadableCell`.

    Nanoseconds are cut to microseconds, unknown time zones become UTC, and times beyond Python's years become ISO
    text, as durations and intervals do.
    """
    import pyarrow as pa

    array = plainer(array)
    if pa.types.is_dictionary(array.type):
        array = plainer(array.dictionary_decode())
    if _easy(array.type):
        try:
            return array.to_pylist()
        except Exception:  # for one cell: the others are converted below
            pass
    return [_value_or_reason(scalar) for scalar in array]


def plainer(array: "pa.Array") -> "pa.Array":
    """Return the column in types that Python and Arrow can convert."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_run_end_encoded(array.type):
        array = pc.call_function("run_end_decode", [array])
    kind = plainer_type(array.type)
    return array if kind == array.type else array.cast(kind, safe=False)


def plainer_type(kind: Any) -> Any:
    """Return microseconds for nanoseconds, which Python has only with pandas, and no views."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        zone = "UTC" if kind.tz and not _is_known_zone(kind.tz) else kind.tz
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, tz=zone)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if kind == pa.string_view():
        return pa.large_string()
    return pa.large_binary() if kind == pa.binary_view() else kind


def _easy(kind: Any) -> bool:
    """Return whether Arrow's own conversion loses nothing of any value of the type."""
    import pyarrow as pa

    types = pa.types
    if plainer_type(kind) != kind or isinstance(kind, pa.BaseExtensionType):
        return False
    if types.is_duration(kind) or types.is_interval(kind) or types.is_union(kind):
        return False
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _easy(kind.value_type)
    fields = [kind.field(place) for place in range(kind.num_fields)]
    if types.is_struct(kind) and len({each.name for each in fields}) < len(fields):
        return False
    return all(_easy(each.type) for each in fields)


def _value_or_reason(scalar: Any) -> Any:
    try:
        return _value(scalar, 0)
    except UnicodeDecodeError:
        return UnreadableCell("not UTF-8")
    except RecursionError:
        return UnreadableCell("nested too deep")
    except Exception:
        return UnreadableCell("a value out of range")


def _value(scalar: Any, depth: int) -> Any:
    """Return one value of any type. Raises Arrow's error where the value is unreadable."""
    import pyarrow as pa

    if not scalar.is_valid:
        return None
    if depth > DEEPEST:
        raise RecursionError
    kind, types = scalar.type, pa.types
    if types.is_dictionary(kind) or types.is_union(kind):
        return _value(scalar.value, depth + 1)
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(scalar, depth)
    if types.is_struct(kind):
        return _structure(scalar, depth)
    if types.is_map(kind):
        return [(_value(each[0], depth + 1), _value(each[1], depth + 1)) for each in scalar.values]
    if types.is_nested(kind) and hasattr(scalar, "values"):
        return [_value(each, depth + 1) for each in scalar.values]
    return _single(scalar)


def _single(scalar: Any) -> Any:
    import pyarrow as pa

    kind = scalar.type
    if pa.types.is_duration(kind):
        return iso_duration(scalar.value, _PER_SECOND[kind.unit])
    if pa.types.is_interval(kind):
        return iso_interval(*scalar.as_py())
    plain = plainer_type(kind)
    try:
        return (scalar if plain == kind else pa.array([scalar], kind).cast(plain, safe=False)[0]).as_py()
    except (ValueError, OverflowError):
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise
        unit = "D" if kind == pa.date32() else "ms" if kind == pa.date64() else kind.unit
        return iso_moment(scalar.value, unit, day=pa.types.is_date(kind), zone=bool(getattr(kind, "tz", None)))


def _structure(scalar: Any, depth: int) -> Any:
    """Return a dictionary, or pairs where two fields have one name."""
    kind = scalar.type
    names = [kind.field(place).name for place in range(kind.num_fields)]
    pairs = [(name, _value(scalar[place], depth + 1)) for place, name in enumerate(names)]
    return dict(pairs) if len(set(names)) == len(names) else pairs


def _extension(scalar: Any, depth: int) -> Any:
    """Return an extension's own value where JSON can hold it, else its storage value."""
    from uuid import UUID

    value = scalar.as_py()
    if isinstance(value, UUID):
        return str(value)
    return value if isinstance(value, (str, bool, int, float)) else _value(scalar.value, depth + 1)


@lru_cache(maxsize=256)
def _is_known_zone(zone: str) -> bool:
    """Return whether this machine has the zone, by its name or as an offset."""
    import pyarrow as pa

    try:
        pa.lib.string_to_tzinfo(zone)  # pyright: ignore[reportAttributeAccessIssue]
    except Exception:
        return False
    return True
