"""One column of every type that Arrow has, three rows each: two values and none."""

import decimal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

ZONES = ("UTC", "Europe/Berlin", "+05:30", "Mars/Base")


def columns() -> dict[str, pa.Array]:
    """By name, so that a test can say which it was."""
    return dict([*_numbers(), *_texts(), *_times(), *_nested(), *_others(), *_edges()])


def _numbers() -> Iterator[tuple[str, pa.Array]]:
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        yield kind, pa.array([1, 2, None], getattr(pa, kind)())
    for kind in ("float16", "float32", "float64"):
        yield kind, pa.array([0.5, 2.0, None], pa.float64()).cast(getattr(pa, kind)())
    for kind, digits in (("decimal32", 9), ("decimal64", 18), ("decimal128", 38), ("decimal256", 76)):
        yield kind, pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25"), None], getattr(pa, kind)(digits, 2))
    yield "bool", pa.array([True, False, None])
    yield "null", pa.nulls(3)


def _texts() -> Iterator[tuple[str, pa.Array]]:
    for kind in ("string", "large_string", "string_view"):
        yield kind, pa.array(["one", "two", None], getattr(pa, kind)())
    for kind in ("binary", "large_binary", "binary_view"):
        yield kind, pa.array([b"one", b"\xff\x00", None], getattr(pa, kind)())
    yield "fixed_size_binary", pa.array([b"abc", b"\xff\x00\x01", None], pa.binary(3))


def _times() -> Iterator[tuple[str, pa.Array]]:
    for unit in ("s", "ms", "us", "ns"):
        yield f"timestamp[{unit}]", _whole([1, 10**9 + 1, None], pa.timestamp(unit))
        for zone in ZONES:
            yield f"timestamp[{unit}, {zone}]", _whole([1, 10**9 + 1, None], pa.timestamp(unit, tz=zone))
        yield f"duration[{unit}]", _whole([1, 10**9 + 1, None], pa.duration(unit))
    for unit in ("s", "ms"):
        yield f"time32[{unit}]", pa.array([1, 2, None], pa.int32()).cast(pa.time32(unit))
    for unit in ("us", "ns"):
        yield f"time64[{unit}]", _whole([1, 2001, None], pa.time64(unit))
    yield "date32", pa.array([1, 20_000, None], pa.int32()).cast(pa.date32())
    yield "date64", _whole([86_400_000, 86_400_000 * 20_000, None], pa.date64())
    yield "interval", pa.array([pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([0, 0, -5]), None])


def _nested() -> Iterator[tuple[str, pa.Array]]:
    stamp = pa.timestamp("ns", tz="Mars/Base")
    yield "list", pa.array([["a", "b"], ["c"], None], pa.list_(pa.string()))
    yield "large_list", pa.array([["a"], ["c"], None], pa.large_list(pa.string()))
    yield "fixed_size_list", pa.array([[1, 2], [3, 4], None], pa.list_(pa.int8(), 2))
    yield "list_view", pa.array([["a"], ["c"], None], pa.list_view(pa.string()))
    yield "large_list_view", pa.array([["a"], ["c"], None], pa.large_list_view(pa.string()))
    yield "struct", pa.array([{"a": 1, "b": "x"}, {"a": None, "b": "y"}, None])
    yield "map", pa.array([[("k", 1)], [("l", 2)], None], pa.map_(pa.string(), pa.int32()))
    yield "list of struct of timestamp", pa.array([[{"t": 1}], [{"t": 2001}], None], pa.list_(pa.struct({"t": stamp})))
    yield "map of duration", pa.array([[("k", 1)], [("l", 2)], None], pa.map_(pa.string(), pa.duration("ns")))
    twice = pa.StructArray.from_arrays([pa.array([1, 2, 3]), pa.array(["x", "y", "z"])], ["a", "a"])
    yield "struct with a name twice", twice
    deep: Any = pa.array([1, 2, None], pa.duration("ns"))
    for _ in range(80):
        deep = pa.StructArray.from_arrays([deep], ["s"])
    yield "struct 80 deep", deep


def _others() -> Iterator[tuple[str, pa.Array]]:
    yield "dictionary", pa.array(["one", "two", None]).dictionary_encode()
    yield "dictionary of timestamp", pa.array([1, 2001, None], pa.timestamp("ns", tz="Mars/Base")).dictionary_encode()
    yield "run_end_encoded", pa.RunEndEncodedArray.from_arrays([1, 2, 3], pa.array(["one", "two", None]))
    yield "uuid", pa.array([b"0" * 16, b"\xff" * 16, None], pa.uuid())
    yield "json", pa.array(['{"a": 1}', "[2]", None], pa.json_())
    yield "bool8", pa.array([1, 0, None], pa.bool8())
    yield "opaque", pa.ExtensionArray.from_storage(pa.opaque(pa.int32(), "t", "v"), pa.array([1, 2, None], pa.int32()))
    tensor = pa.fixed_shape_tensor(pa.int8(), [2])
    yield "tensor", pa.ExtensionArray.from_storage(tensor, pa.array([[1, 2], [3, 4], None], pa.list_(pa.int8(), 2)))
    tags = pa.array([0, 1, 0], pa.int8())
    yield "union", pa.UnionArray.from_sparse(tags, [pa.array([1, 2, None]), pa.array(["a", "b", None])])
    dense = pa.array([0, 0, 1], pa.int32())
    yield "dense_union", pa.UnionArray.from_dense(tags, dense, [pa.array([1, None]), pa.array(["b"])])


def _edges() -> Iterator[tuple[str, pa.Array]]:
    """Values that only Arrow has."""
    yield "far dates", pa.array([2**31 - 1, -(2**31), None], pa.int32()).cast(pa.date32())
    for unit in ("s", "ms", "us"):
        yield f"far times[{unit}]", _whole([2**62, -(2**62), None], pa.timestamp(unit))
        yield f"far times[{unit}] of a zone", _whole([2**62, 1, None], pa.timestamp(unit, tz="Mars/Base"))
    yield "long durations", _whole([2**62, -(2**62), None], pa.duration("s"))
    yield "no time", _whole([-(2**63), 1, None], pa.timestamp("us", tz="Europe/Berlin"))
    yield "wide decimals", pa.array([decimal.Decimal("9" * 76), decimal.Decimal("-1"), None], pa.decimal256(76, 0))
    yield "not UTF-8", pa.array([b"\xff\xfe", b"fine", None], pa.binary()).view(pa.string())
    yield (
        "not UTF-8 in a list",
        pa.ListArray.from_arrays([0, 1, None, 2], pa.array([b"\xff", b"fine"]).view(pa.string())),
    )
    yield "infinite", pa.array([float("inf"), float("-inf"), None])


def _whole(values: list[int | None], kind: Any) -> pa.Array:
    return pa.array(values, pa.int64()).view(kind)
