"""CocoIndex: a folder of texts into a LanceDB table by its own connector; its memory of what was done is LMDB."""

import importlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from driver_parts import count_encoded, parse_call, report

coco: Any = importlib.import_module("cocoindex")
lancedb: Any = importlib.import_module("cocoindex.connectors.lancedb")
localfs: Any = importlib.import_module("cocoindex.connectors.localfs")
pa: Any = importlib.import_module("pyarrow")
sentence_transformers: Any = importlib.import_module("cocoindex.ops.sentence_transformers")

CALL = parse_call()
DATABASE = coco.ContextKey("database")
EMBEDDER = coco.ContextKey("embedder", detect_change=True)
COLUMNS = {"name": pa.utf8(), "text": pa.utf8(), "vector": pa.list_(pa.float32(), 384)}


@coco.lifespan
async def resources(builder: Any) -> AsyncIterator[None]:
    """Where its state and the table are, and the model."""
    builder.settings.db_path = CALL.store / "state.lmdb"
    builder.provide(DATABASE, await lancedb.connect_async(str(CALL.store / "lance")))
    builder.provide(EMBEDDER, sentence_transformers.SentenceTransformerEmbedder(str(CALL.model)))
    yield


@coco.fn(memo=True)
async def embed_file(file: Any, table: Any) -> None:
    """Declare the row of a file; not called again for one that did not change."""
    text = await file.read_text()
    vector = await coco.use_context(EMBEDDER).embed(text)
    table.declare_row(row={"name": file.file_path.path.stem, "text": text, "vector": vector})


@coco.fn
async def main(folder: Path) -> None:
    """Declare the table and a component for each file."""
    schema = lancedb.TableSchema(
        {name: lancedb.ColumnDef(kind) for name, kind in COLUMNS.items()}, primary_key=["name"]
    )
    table = await lancedb.mount_table_target(DATABASE, "texts", schema)
    await coco.mount_each(embed_file, localfs.walk_dir(folder).items(), table)


if __name__ == "__main__":
    CALL.store.mkdir(parents=True, exist_ok=True)
    counts = count_encoded()
    coco.App(coco.AppConfig(name="peers"), main, folder=CALL.texts).update_blocking()
    report(counts)
