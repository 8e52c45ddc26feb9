"""Daft: a query that reads the texts, embeds them and writes a Lance table. What was done before does not count."""

import importlib
import os
from typing import Any

from driver_parts import count_encoded, parse_call, read_texts, report

daft: Any = importlib.import_module("daft")
functions: Any = importlib.import_module("daft.functions")

if __name__ == "__main__":
    call = parse_call()
    texts = read_texts(call.texts)
    counts = count_encoded()
    frame = daft.from_pydict({"name": list(texts), "text": list(texts.values())})
    vector = functions.embed_text(frame["text"], provider="transformers", model=str(call.model))
    frame.with_column("vector", vector).write_lance(os.fspath(call.store / "texts.lance"), mode="overwrite")
    report(counts)
