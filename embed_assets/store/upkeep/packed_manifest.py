"""Manifests of older stores: facts that were packed into `mime`, `key` and `etag`, as columns of their own.

`mime` was "image/png; table=lance; decoder=srt-1" or "text/plain; charset=cp1251", `key` of a row "table.csv#id" and
its etag the row's `updated` and a stamp.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.media.tables.text_files import TABLE_KINDS
from embed_assets.store.manifest_row import SCHEMA
from embed_assets.store.upsert import one_of

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

PACKED = ("key", "mime", "etag")  # the columns that facts were packed into
UNPACKED = ("mime", "etag", "table_key", "row_id", "row_stamp", "table_kind", "decoder", "charset")
_TABLE_MIMES = tuple(TABLE_KINDS)
PACKED_ROWS = f"mime LIKE '%; %' OR ({one_of('mime', _TABLE_MIMES)} AND table_key IS NULL)"  # as `_is_packed`
_STAMP = r"(?s)^(?P<etag>.*) (?P<stamp>[0-9a-f]{12})$"


def unpacked(rows: pa.Table) -> pa.Table:
    """Return manifest rows with every fact in its column; rows that have them there already stay as they are.

    `rows` has the columns of PACKED, and those of UNPACKED that are stored.
    """
    for name in UNPACKED:
        if name not in rows.column_names:
            rows = rows.append_column(SCHEMA.field(name), pa.nulls(rows.num_rows, pa.string()))
    rows = rows.combine_chunks()
    packed = _is_packed(rows)
    if not pc.any(packed).as_py():
        return rows
    for name, values in _facts(rows).items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), pc.if_else(packed, values, rows[name]))
    return rows


def _is_packed(rows: pa.Table) -> Any:
    """Return a mask: rows with parameters in the mime type, or of a text table without its key."""
    in_file = pc.is_in(rows["mime"], value_set=pa.array(_TABLE_MIMES))
    without_key = pc.and_(in_file, pc.is_null(rows["table_key"]))
    return pc.or_(_or_false(pc.match_substring(rows["mime"], "; ")), without_key)


def _facts(rows: pa.Table) -> dict[str, Any]:
    """Return the columns that the packed ones stand for."""
    mime, key, etag = rows["mime"], rows["key"], rows["etag"]
    in_file = pc.is_in(mime, value_set=pa.array(_TABLE_MIMES))
    in_table = pc.or_(in_file, _or_false(pc.match_substring(mime, "; table=")))
    of_file = pa.array([TABLE_KINDS.get(each) for each in mime.to_pylist()], pa.string())
    escaped = pc.replace_substring_regex(key, "(?s)#.*$", "")
    table_key = pc.replace_substring(pc.replace_substring(escaped, "%23", "#"), "%25", "%")
    stamp = pc.if_else(in_table, _group(etag, _STAMP, "stamp"), None)
    return {
        "mime": pc.replace_substring_regex(mime, "; (table|decoder|charset)=.*$", ""),
        "table_key": pc.if_else(in_table, table_key, None),
        "row_id": pc.if_else(in_table, pc.replace_substring_regex(key, "(?s)^[^#]*#", ""), None),
        "row_stamp": stamp,
        "etag": pc.if_else(pc.is_valid(stamp), _group(etag, _STAMP, "etag"), etag),
        "table_kind": pc.coalesce(_group(mime, r"; table=(?P<kind>\w+)", "kind"), of_file),
        "decoder": _group(mime, r"; decoder=(?P<decoder>.*)$", "decoder"),
        "charset": _group(mime, r"; charset=(?P<charset>.*)$", "charset"),
    }


def _group(column: Any, pattern: str, name: str) -> Any:
    """Return the group of a pattern, null where it does not match."""
    return pc.struct_field(pc.extract_regex(column, pattern), name)


def _or_false(mask: Any) -> Any:
    return pc.fill_null(mask, False)
