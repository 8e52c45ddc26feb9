"""Export: a table as a Parquet or CSV file."""

import contextlib
from pathlib import Path

import pyarrow as pa

from embed_assets.errors import SettingsError

_SUFFIXES = (".parquet", ".csv")


def export_table(table: pa.Table, path: str | Path) -> Path:
    """Write a table to a file, replaced as a whole; its suffix says which kind. Raises SettingsError of others."""
    import pyarrow.csv
    import pyarrow.parquet

    file = Path(path).expanduser()
    kind = file.suffix.lower()
    if kind not in _SUFFIXES:
        raise SettingsError(f"Export {str(path)!r}: name a file that ends in {' or '.join(_SUFFIXES)}.")
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if kind == ".csv":
            pyarrow.csv.write_csv(table, part)
        else:
            pyarrow.parquet.write_table(table, part, compression="zstd")
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SettingsError(f"Export {str(path)!r} can't be written: {error.strerror or error}.") from error
    return file
