"""Export of tables: by the file's suffix, as a whole, with a clear refusal."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from embed_assets.errors import SettingsError
from embed_assets.quality.inspection.export_table import export_table

TABLE = pa.table({"key": ["a, b", 'say "x"'], "cosine": [0.5, None]})


def test_parquet_and_csv_hold_the_table(tmp_path: Path) -> None:
    assert pyarrow.parquet.read_table(export_table(TABLE, tmp_path / "new" / "rows.parquet")).equals(TABLE)
    file = export_table(TABLE, str(tmp_path / "rows.csv"))
    assert pyarrow.csv.read_csv(file).to_pylist() == TABLE.to_pylist()
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["rows.csv"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"name a file that ends in \.parquet or \.csv"):
        export_table(TABLE, tmp_path / "rows.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"can't be written"):
        export_table(TABLE, tmp_path / "file" / "rows.csv")
