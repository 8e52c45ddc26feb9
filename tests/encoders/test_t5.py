"""T5 and its relatives as encoders of sentences: sentence-t5 and gtr-t5 are such; against sentence-transformers."""

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import WeightsError
from tests.encoders.random_models import assert_same, enliven

TEXTS = ["a red circle", "one two three four five " * 20, "  A  Fox?\n", "x"]
_SIZES: dict[str, Any] = {"d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16}


def tokenizer() -> Any:
    """As T5's: pieces with scores, a mark of its own for a word's begin, </s> at the end."""
    from transformers import T5Tokenizer

    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(mark + letter, -3.0) for mark in ("", "▁") for letter in string.ascii_letters + string.punctuation]
    words = [(f"▁{word}", -1.0) for word in ("one", "two", "three", "red", "circle")]
    return T5Tokenizer(vocab=[*specials, ("▁", -2.0), *letters, *words], extra_ids=0, model_max_length=64)


def t5(model_class: str, **changes: Any) -> Any:
    import transformers

    made = getattr(transformers, model_class)
    return enliven(made(made.config_class(vocab_size=len(tokenizer()), **_SIZES | changes)), 5)


def st_folder(folder: Path, model: Any, *, dense: dict[str, Any] | None = None, normalize: bool = True) -> Path:
    """A sentence-transformers folder as gtr-t5's: Transformer, Pooling, a Dense without bias, Normalize."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    chain = [modules.Transformer(str(folder), max_seq_length=32), modules.Pooling(32, pooling_mode="mean")]
    if dense is not None:
        torch.manual_seed(7)
        chain.append(modules.Dense(32, 24, activation_function=torch.nn.Identity(), **dense))
    chain += [modules.Normalize()] if normalize else []
    SentenceTransformer(modules=chain, device="cpu").save(str(folder / "st"))
    made = folder / "st"
    model.save_pretrained(made)  # what a checkpoint of the hub has, the decoder too
    return made


def encoded(folder: Path, **options: Any) -> np.ndarray:
    encoder = load_encoder(spec_for(str(folder), options=options), device="cpu")
    return encoder.encode([encoder.prepare("text", text) for text in TEXTS])


def reference(folder: Path) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)


_MODELS: dict[str, Callable[[], Any]] = {
    "encoder": lambda: t5("T5EncoderModel"),
    "encoder and decoder": lambda: t5("T5Model"),
    "with a head": lambda: t5("T5ForConditionalGeneration", tie_word_embeddings=False),
    "gated, of version 1.1": lambda: t5("T5EncoderModel", feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "multilingual": lambda: t5("MT5EncoderModel"),
    "multilingual and decoder": lambda: t5("MT5Model"),
    "umt5, positions in each layer": lambda: t5("UMT5EncoderModel"),
    "umt5 and decoder": lambda: t5("UMT5Model"),
    "of long texts": lambda: t5("LongT5EncoderModel", encoder_attention_type="local", local_radius=8),
    "in half precision": lambda: t5("T5EncoderModel").half(),
}


@pytest.mark.parametrize("kind", _MODELS)
def test_a_t5_equals_sentence_transformers(kind: str, tmp_path: Path) -> None:
    folder = st_folder(tmp_path, _MODELS[kind]())
    if kind == "in half precision":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"dtype": "float32"}))  # what the library computes in
    assert_same(encoded(folder), reference(folder))


def tensors(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    state = {name: tensor.clone() for name, tensor in load_file(file).items()}
    save_file(change(state), file, metadata={"format": "pt"})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_dense_with_and_without_bias_equals_sentence_transformers(
    bias: bool, normalize: bool, tmp_path: Path
) -> None:
    folder = st_folder(tmp_path, t5("T5Model"), dense={"bias": bias}, normalize=normalize)
    found = encoded(folder)
    assert found.shape[1] == 24
    assert_same(found, reference(folder))
    assert_same(encoded(folder, library=True), found)


def test_a_dense_that_lacks_its_bias_is_refused(tmp_path: Path) -> None:
    folder = st_folder(tmp_path, t5("T5Model"), dense={"bias": True})
    tensors(folder / "2_Dense", lambda state: {"linear.weight": state["linear.weight"]})
    for options in ({}, {"library": True}):
        with pytest.raises(WeightsError, match=r"linear\.bias") as raised:
            encoded(folder, **options)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["shared.weight", "encoder.embed_tokens.weight"])
def test_shared_embeddings_are_found_under_either_name(name: str, tmp_path: Path) -> None:
    folder = st_folder(tmp_path, t5("T5EncoderModel"))
    before = encoded(folder)
    embeddings = {"shared.weight", "encoder.embed_tokens.weight"}
    tensors(folder, lambda state: {name if key in embeddings else key: tensor for key, tensor in state.items()})
    assert_same(encoded(folder), before)


def test_shards_and_the_encoder_alone_are_the_whole(tmp_path: Path) -> None:
    model = t5("T5Model")
    folder = st_folder(tmp_path, model)
    before = encoded(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert_same(encoded(folder), before)


def test_what_the_encoder_needs_is_missed_and_what_the_decoder_needs_is_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = st_folder(tmp_path, t5("T5Model"))
    before = encoded(folder)
    capfd.readouterr()
    tensors(folder, lambda state: {k: v for k, v in state.items() if not k.startswith("decoder.block.1")})
    assert_same(encoded(folder), before)
    assert "decoder" not in "".join(capfd.readouterr())  # transformers reports what it leaves out
    tensors(folder, lambda state: {k: v for k, v in state.items() if not k.startswith("encoder.block.1")})
    with pytest.raises(WeightsError, match=r"lacks .* encoder\.block\.1"):
        encoded(folder)


def test_both_paths_have_one_identity_and_vector(tmp_path: Path) -> None:
    folder = st_folder(tmp_path, t5("T5EncoderModel"))
    chain, library = (
        load_encoder(spec_for(str(folder), options=options), device="cpu") for options in ({}, {"library": True})
    )
    assert chain.identity() == library.identity()
    assert_same(encoded(folder), encoded(folder, library=True))


def test_an_encoder_decoder_of_another_kind_is_left_to_sentence_transformers(tmp_path: Path) -> None:
    from transformers import BartConfig, BartModel

    sizes: dict[str, Any] = {
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
    }
    heads: dict[str, Any] = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    tokens: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    model = enliven(BartModel(BartConfig(vocab_size=len(tokenizer()), **sizes, **heads, **tokens)), 5)
    folder = st_folder(tmp_path, model)
    assert_same(encoded(folder), reference(folder))
    (folder / "modules.json").unlink()
    with pytest.raises(WeightsError, match="is an encoder-decoder"):
        load_encoder(spec_for("minilm", model=str(folder)), device="cpu")
