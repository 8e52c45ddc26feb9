"""Pixeltable: a table in its own Postgres with an embedding index for each model.

It has no notion of a folder that changes: which rows to insert, update and delete is found here. A model is an index
of its own, which queries have to name. Indices stay, although every edited row is encoded for all of them, until
their model's folder is gone. A table that has such an index can't be opened, so that it could not be dropped either:
the old name is a link to the new folder while that is done.
"""

import importlib
import json
import os
from pathlib import Path
from typing import Any

from driver_parts import Call, count_encoded, parse_call, read_texts, report

TABLE = "texts"


def name_of(model: Path) -> str:
    """Return the name of the index of a model's folder."""
    return f"by_{model.name}"


def update(pxt: Any, call: Call) -> None:
    """Bring table and indices up to date with the folder of texts and the model."""
    drop_indices_of_gone_models(pxt, call)
    texts = read_texts(call.texts)
    columns = {"name": pxt.Required[pxt.String], "text": pxt.String}
    table = pxt.create_table(TABLE, columns, primary_key="name", if_exists="ignore")
    before = {row["name"]: row["text"] for row in table.select(table.name, table.text).collect()}
    for name in before.keys() - texts.keys():
        table.delete(where=table.name == name)
    if edited := [{"name": n, "text": t} for n, t in texts.items() if n in before and before[n] != t]:
        table.batch_update(edited)
    if new := [{"name": n, "text": t} for n, t in texts.items() if n not in before]:
        table.insert(new)
    if name_of(call.model) not in table.get_metadata()["indexes"]:
        embedding = importlib.import_module("pixeltable.functions.huggingface").sentence_transformer
        embedding = embedding.using(model_id=os.fspath(call.model), normalize_embeddings=True)
        table.add_embedding_index("text", idx_name=name_of(call.model), string_embed=embedding)


def drop_indices_of_gone_models(pxt: Any, call: Call) -> None:
    """Drop the indices by models of an earlier run whose folders are not there any more."""
    listed = call.store / "model_folders.json"
    models = set(json.loads(listed.read_text(encoding="utf-8"))) if listed.exists() else set()
    for gone in [Path(model) for model in models if not Path(model).exists()]:
        gone.symlink_to(call.model.resolve(), target_is_directory=True)
        try:
            pxt.get_table(TABLE).drop_embedding_index(idx_name=name_of(gone))
        finally:
            gone.unlink()
        models.remove(os.fspath(gone))
    listed.write_text(json.dumps(sorted({*models, os.fspath(call.model)})), encoding="utf-8")


def write_served(pxt: Any, call: Call, target: Path) -> None:
    """Write what a query reads that names the index of the model."""
    np = importlib.import_module("numpy")
    table = pxt.get_table(TABLE)
    rows = table.select(table.name, vector=table.text.embedding(idx=name_of(call.model))).collect()
    vectors = np.stack([np.asarray(row["vector"], dtype=np.float32) for row in rows])
    np.savez(target, names=[row["name"] for row in rows], vectors=vectors)


if __name__ == "__main__":
    called = parse_call()
    called.store.mkdir(parents=True, exist_ok=True)
    os.environ["PIXELTABLE_HOME"] = os.fspath(called.store.resolve())
    counts = count_encoded()
    pixeltable: Any = importlib.import_module("pixeltable")
    if called.served:
        write_served(pixeltable, called, called.served)
    else:
        update(pixeltable, called)
    report(counts)
