"""The declared text encoders, each over a folder laid out as its publisher lays it out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import SettingsError
from embed_assets.testing import EncoderContract
from tests.encoders.conftest import word_pieces
from tests.encoders.random_models import assert_same, saved, unit

TEXTS = ["a red circle", "one two three four five six seven eight nine ten " * 12, "  A  Fox?\n", "x"]
SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SIZES = [
    pytest.param(SMALL, id="small"),
    pytest.param({}, id="true size", marks=pytest.mark.slow),
]


def declared(name, folder, sizes, **facts):
    """The declared encoder over a folder; a small model has another dim than the one declared."""
    small: dict[str, Any] = {"dim": None} if sizes else {}
    return load_encoder(spec_for(name, model=str(folder), **small, **facts), device="cpu")


def bert_tokenizer(limit=512):
    """Word pieces, and entries that nothing uses: a model's tokenizer has about as many as its table of tokens."""
    from transformers import BertTokenizer

    vocab = word_pieces()
    vocab |= {f"[unused{number}]": number for number in range(len(vocab), 30_000)}
    return BertTokenizer(vocab=vocab, model_max_length=limit)


def roberta_tokenizer(limit, entries=300):
    """The kind of XLM-RoBERTa, which multilingual E5 and BGE-M3 have; as large as the model's table of tokens."""
    from transformers import XLMRobertaTokenizer

    letters = [("▁", -2.0), *((character, -3.0) for character in "abcdefghijklmnopqrstuvwxyz:?")]
    specials = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    fill = [(f"▁unused{number}", -9.0) for number in range(len(specials) + len(letters) + 1, entries)]
    return XLMRobertaTokenizer(vocab=[*specials, *letters, *fill, ("<mask>", 0.0)], model_max_length=limit)


def sentence_folder(folder: Path, pooling: str, width: int, limit: int) -> Path:
    """The files of sentence-transformers around a plain model, as version 2 wrote them."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit, "do_lower_case": False}))
    modes = {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": width} | modes))
    return folder


def tokens(folder, texts, limit):
    """The raw last hidden state of each text alone: (tokens, width)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
            yield model(**inputs).last_hidden_state[0].numpy()


def encode(encoder, texts, **kwargs):
    return encoder.encode([encoder.prepare("text", text, **kwargs) for text in texts])


def bert_base(folder, sizes):
    """True to google-bert/bert-base-uncased: masked-language head, prefix, LayerNorm.gamma and .beta."""
    from safetensors.torch import save_file
    from transformers import AutoModel, BertConfig

    saved(BertConfig(**sizes), folder, bert_tokenizer())
    state = AutoModel.from_pretrained(folder).state_dict()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    published = {"cls.predictions.bias": state["embeddings.word_embeddings.weight"][:, 0].clone()}
    for name, tensor in state.items():
        for new_end, old_end in old.items():
            name = name.replace(new_end, old_end)
        if not name.startswith("pooler."):
            published[f"bert.{name}"] = tensor.clone()
    save_file(published, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("sizes", SIZES)
def test_bert_base_equals_the_mean_or_the_first_of_its_tokens(sizes, tmp_path):
    folder = bert_base(tmp_path, sizes)
    texts = [*TEXTS, "? " * 600]
    expected = list(tokens(folder, texts, 512))
    assert len(expected[-1]) == 512
    mean = declared("bert-base", folder, sizes)
    assert_same(encode(mean, texts), unit([rows.mean(axis=0) for rows in expected]))
    first = declared("bert-base", folder, sizes, pooling="cls")
    assert_same(encode(first, texts), unit([rows[0] for rows in expected]))
    old, new = mean.identity(), first.identity()
    assert {name for name in old if old[name] != new[name]} == {"pooling"}
    (folder / "model.safetensors").unlink()


def e5_small(folder, sizes):
    from transformers import BertConfig

    true: dict[str, Any] = {
        "vocab_size": 250037,
        "hidden_size": 384,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
    }
    config = BertConfig(**(sizes | {"vocab_size": 300} if sizes else true), pad_token_id=0)
    saved(config, folder, roberta_tokenizer(512, config.vocab_size))
    return sentence_folder(folder, "mean_tokens", config.hidden_size, 512)


@pytest.mark.parametrize("sizes", SIZES)
def test_e5_small_puts_its_prompts_before_queries_and_passages(sizes, tmp_path):
    folder = e5_small(tmp_path, sizes)
    encoder = declared("e5-small", folder, sizes)
    for prompt, query in (("query: ", True), ("passage: ", False)):
        expected = [rows.mean(axis=0) for rows in tokens(folder, [prompt + text for text in TEXTS], 512)]
        assert_same(encode(encoder, TEXTS, query=query), unit(expected))
    (folder / "model.safetensors").unlink()


def bge_m3(folder, sizes):
    from transformers import XLMRobertaConfig

    true: dict[str, Any] = {
        "vocab_size": 250002,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    }
    sizes = sizes | {"vocab_size": 300} if sizes else true
    config = XLMRobertaConfig(max_position_embeddings=8194, type_vocab_size=1, **sizes)
    return saved(config, folder, roberta_tokenizer(8192, config.vocab_size))


@pytest.mark.parametrize("sizes", SIZES)
def test_bge_m3_equals_its_first_token_converted_or_published(sizes, tmp_path):
    """Converted to safetensors the folder has no modules.json, and the spec's pooling holds."""
    folder = bge_m3(tmp_path, sizes)
    expected = unit([rows[0] for rows in tokens(folder, TEXTS, 8192)])
    converted = declared("bge-m3", folder, sizes)
    assert converted.max_tokens == 8190
    assert_same(encode(converted, TEXTS), expected)
    sentence_folder(folder, "cls_token", converted.dim, 8192)
    assert_same(encode(declared("bge-m3", folder, sizes), TEXTS), expected)
    (folder / "model.safetensors").unlink()


def test_a_declared_pooling_that_the_folder_contradicts_is_refused(tmp_path):
    folder = e5_small(tmp_path, SMALL)
    with pytest.raises(SettingsError, match="the model is saved with 'mean'"):
        declared("e5-small", folder, SMALL, pooling="cls")


def nomic(folder, sizes):
    from transformers import NomicBertConfig

    config = NomicBertConfig(**sizes)
    saved(config, folder, bert_tokenizer(2048))
    return sentence_folder(folder, "mean_tokens", config.hidden_size, 2048)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.slow
def test_nomic_keeps_the_first_numbers_and_makes_them_unit_length(sizes, tmp_path):
    folder = nomic(tmp_path, sizes)
    prompted = [f"search_document: {text}" for text in TEXTS]
    expected = np.array([rows.mean(axis=0) for rows in tokens(folder, prompted, 2048)])
    whole = declared("nomic-v1.5", folder, sizes)
    assert_same(encode(whole, TEXTS), unit(expected))
    kept = whole.dim // 3
    short = declared("nomic-v1.5", folder, sizes, truncate_dim=kept)
    assert short.dim == kept
    assert_same(encode(short, TEXTS), unit(expected[:, :kept]))
    (folder / "model.safetensors").unlink()


class TestE5(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tmp_path_factory):
        return declared("e5-small", e5_small(tmp_path_factory.mktemp("e5"), SMALL), SMALL)


class TestNomic(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tmp_path_factory):
        folder = nomic(tmp_path_factory.mktemp("nomic"), SMALL)
        return declared("nomic-v1.5", folder, SMALL, truncate_dim=16)
