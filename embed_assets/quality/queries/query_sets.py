"""Query sets: labelled queries by the address that the settings give: a JSONL file, a BEIR folder, one of the demo."""

from importlib.resources import files
from pathlib import Path

from embed_assets.errors import SettingsError
from embed_assets.quality.queries.beir_folder import is_beir, read_beir
from embed_assets.quality.queries.labelled_queries import LabelledQuery, read_queries

EMBEDDED = "embedded:"  # the demo's own query sets


def load_queries(path: str | Path, *, files_in: str | Path | None = None) -> list[LabelledQuery]:
    """Read the query set of a JSONL file, of a BEIR folder or one of its qrels, or of embedded:NAME.

    A `query_file` is taken from the folder `files_in`, or from the query set's own. Raises SettingsError naming file,
    line and field.
    """
    if str(path).startswith(EMBEDDED):
        path = str(files("embed_assets.demo") / "queries" / f"{str(path).removeprefix(EMBEDDED)}.jsonl")
    path = Path(path)
    if is_beir(path):
        queries = read_beir(path)
    elif path.is_file():
        queries = read_queries(path, files_in=Path(files_in or path.parent))
    else:
        raise SettingsError(
            f"Query set {str(path)!r} does not exist. Name a JSONL file or a BEIR folder, or leave `queries` out."
        )
    if not queries:
        raise SettingsError(f"Query set {str(path)!r} holds no query.")
    return queries
