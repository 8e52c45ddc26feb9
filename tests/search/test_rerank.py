"""The reranker: a cross-encoder orders the first items again, and the answer names its version."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from embed_assets.errors import WeightsError
from embed_assets.search.searcher import Searcher, query_of
from embed_assets.settings import ComputeSettings
from tests.support import note, pipeline, run_all, write_notes

CPU = ComputeSettings(device="cpu", offline=True)


def cross_encoder(tiny_bert: Path, folder: Path) -> str:
    """A BERT of one layer with one output, random weights, and the tokenizer of the tiny one."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    shutil.copytree(tiny_bert, folder)
    config = BertConfig.from_pretrained(tiny_bert, num_labels=1)
    for file in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / file).unlink(missing_ok=True)
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
def test_a_cross_encoder_orders_the_first_items_again(tmp_path: Path, words: list[Any], tiny_bert: Path) -> None:
    write_notes(tmp_path / "notes", 20)
    steps = pipeline(tmp_path)
    run_all(steps)
    model = cross_encoder(tiny_bert, tmp_path / "reranker")
    searcher = Searcher(steps.store, compute=CPU, reranker=model)
    query = query_of(parts=[{"text": note(3)}], k=20, rerank=True)
    answer = searcher.search(query)
    scores = [hit.rerank_score for hit in answer]
    assert scores == sorted(scores, reverse=True)  # pyright: ignore[reportArgumentType]
    assert {hit.key for hit in answer} == {hit.key for hit in searcher.search(note(3), k=20)}
    assert answer.reranker is not None
    assert answer.reranker.startswith(f"{model}@")
    assert searcher.search(query).reranker == answer.reranker
    with pytest.raises(WeightsError):
        Searcher(steps.store, compute=CPU, reranker=str(tmp_path / "nowhere")).search(query)
