"""SentenceEncoder against references written from the libraries' raw outputs."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import SettingsError, WeightsError

TEXTS = ["a red circle", "one two three four five six seven eight nine ten " * 20, "  A  Fox?\n", "x"]


def encode(encoder, texts, **kwargs):
    return encoder.encode([encoder.prepare("text", text, **kwargs) for text in texts])


def with_modules(plain, folder, *, pooling, dense=False, normalize=True, max_seq_length=32):
    """A sentence-transformers folder around a plain transformer, with a chosen pooling."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    transformer = modules.Transformer(str(plain))
    transformer.max_seq_length = max_seq_length
    chain = [transformer, modules.Pooling(32, pooling_mode=pooling)]
    if dense:
        torch.manual_seed(7)
        chain.append(modules.Dense(chain[1].get_embedding_dimension(), 20))
    chain += [modules.Normalize()] if normalize else []
    SentenceTransformer(modules=chain, device="cpu").save(str(folder))
    return folder


def reference(folder, texts, **kwargs):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(texts, **kwargs)


def test_minilm_equals_mean_pooling_over_the_raw_model(minilm):
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder = load_encoder(spec_for("minilm", model=str(minilm)), device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model = AutoModel.from_pretrained(minilm, dtype=torch.float32).eval()
    expected = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            mean = model(**inputs).last_hidden_state[0].mean(dim=0)
        expected.append((mean / mean.norm()).numpy())
    assert np.abs(encode(encoder, TEXTS) - np.array(expected)).max() < 1e-5


def test_minilm_equals_sentence_transformers(minilm):
    encoder = load_encoder(spec_for("minilm", model=str(minilm)), device="cpu")
    assert np.abs(encode(encoder, TEXTS) - reference(minilm, TEXTS)).max() < 1e-5


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"])
@pytest.mark.parametrize("model", ["plain_bert", "tiny_mpnet"])
def test_every_pooling_equals_sentence_transformers(model, pooling, request, tmp_path):
    plain = request.getfixturevalue(model)
    folder = with_modules(plain, tmp_path / "st", pooling=pooling, normalize=pooling == "cls")
    encoder = load_encoder(spec_for(str(folder), unit_length=False), device="cpu")
    assert np.abs(encode(encoder, TEXTS) - reference(folder, TEXTS)).max() < 1e-5


def test_two_poolings_and_a_dense_layer_equal_sentence_transformers(plain_bert, tmp_path):
    folder = with_modules(plain_bert, tmp_path / "st", pooling=("cls", "mean"), dense=True)
    encoder = load_encoder(spec_for(str(folder)), device="cpu")
    library = load_encoder(spec_for(str(folder), options={"library": True}), device="cpu")
    assert encoder.dim == 20
    assert np.abs(encode(encoder, TEXTS) - reference(folder, TEXTS)).max() < 1e-5
    assert np.abs(encode(library, TEXTS) - reference(folder, TEXTS)).max() < 1e-5
    assert encoder.identity() == library.identity()


@pytest.mark.slow
def test_both_paths_have_one_identity(minilm):
    spec = spec_for("minilm", model=str(minilm))
    chain = load_encoder(spec, device="cpu")
    library = load_encoder(replace(spec, options={"library": True}), device="cpu")
    assert chain.identity() == library.identity()
    assert chain.max_tokens == library.max_tokens == 254


def test_modules_out_of_the_ordinary_go_through_the_library(plain_bert, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    folder = tmp_path / "norm"
    chain = [modules.Transformer(str(plain_bert)), modules.Pooling(32), modules.LayerNorm(32)]
    SentenceTransformer(modules=chain, device="cpu").save(str(folder))
    encoder = load_encoder(spec_for(str(folder), unit_length=False), device="cpu")
    assert np.abs(encode(encoder, TEXTS) - reference(folder, TEXTS)).max() < 1e-5
    assert "LayerNorm" in encoder.identity()["pooling"]


def test_prompts_are_the_models_own_or_the_specs(plain_bert, tmp_path):
    folder = with_modules(plain_bert, tmp_path / "st", pooling="mean")
    file = folder / "config_sentence_transformers.json"
    prompts = {"query": "the fox ", "passage": "the dog "}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prompts": prompts}))
    own = load_encoder(spec_for(str(folder)), device="cpu")
    bare = reference(folder, ["the fox x", "the dog x", "a x"])
    assert np.abs(encode(own, ["x"], query=True) - bare[0]).max() < 1e-5
    assert np.abs(encode(own, ["x"]) - bare[1]).max() < 1e-5
    assert own.max_tokens == 32 - 2 - 2
    spec = load_encoder(spec_for(str(folder), document_prompt="a "), device="cpu")
    assert np.abs(encode(spec, ["x"]) - bare[2]).max() < 1e-5
    assert spec.identity()["prompts"] != own.identity()["prompts"]


@pytest.mark.slow
def test_truncated_vectors_are_the_first_numbers_renormalised(minilm):
    spec = spec_for("minilm", model=str(minilm))
    whole = encode(load_encoder(spec, device="cpu"), TEXTS)
    first = encode(load_encoder(replace(spec, truncate_dim=64), device="cpu"), TEXTS)
    expected = whole[:, :64] / np.linalg.norm(whole[:, :64], axis=1, keepdims=True)
    assert np.abs(first - expected).max() < 1e-6


@pytest.mark.slow
def test_half_precision_is_close_and_of_unit_length(minilm):
    spec = spec_for("minilm", model=str(minilm))
    exact = encode(load_encoder(spec, device="cpu"), TEXTS)
    half = encode(load_encoder(spec, device="cpu", dtype="bfloat16"), TEXTS)
    assert half.dtype == np.float32
    assert np.abs(np.linalg.norm(half, axis=1) - 1).max() < 1e-6
    assert (exact * half).sum(axis=1).min() > 0.999


def test_a_checkpoint_stored_in_half_precision_runs_in_float32(plain_bert, tmp_path):
    import torch
    from transformers import AutoModel

    folder = shutil.copytree(plain_bert, tmp_path / "half")
    AutoModel.from_pretrained(plain_bert).to(torch.float16).save_pretrained(folder)
    encoder = load_encoder(spec_for(str(folder)), device="cpu")
    again = AutoModel.from_pretrained(folder, dtype=torch.float32)
    assert encoder.identity()["dtype"] == "float32"
    assert next(again.parameters()).dtype == torch.float32
    assert (
        np.abs(encode(encoder, TEXTS) - encode(load_encoder(spec_for(str(plain_bert)), device="cpu"), TEXTS)).max()
        < 0.05
    )


def test_roberta_like_positions_leave_room_for_the_padding_id(tiny_mpnet):
    encoder = load_encoder(spec_for(str(tiny_mpnet)), device="cpu")
    assert encoder.prepare("text", "fox " * 500).cost <= 66
    assert np.isfinite(encode(encoder, ["fox " * 500])).all()


def test_missing_tensors_are_refused_and_a_missing_pooler_is_not(plain_bert, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(plain_bert / "model.safetensors")
    for removed, fails in (("pooler.", False), ("encoder.layer.1.output.dense.weight", True)):
        folder = shutil.copytree(plain_bert, tmp_path / removed.strip("."))
        kept = {name: tensor for name, tensor in state.items() if not name.startswith(removed)}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        spec = spec_for(str(folder))
        if fails:
            with pytest.raises(WeightsError, match="would be random"):
                load_encoder(spec, device="cpu")
        else:
            whole = load_encoder(spec_for(str(plain_bert)), device="cpu")
            assert load_encoder(spec, device="cpu").identity() == whole.identity()


def test_the_library_path_refuses_missing_tensors_too(plain_bert, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = with_modules(plain_bert, tmp_path / "st", pooling="mean", dense=True)
    for file in (folder / "model.safetensors", folder / "2_Dense" / "model.safetensors"):
        state = {name: tensor.clone() for name, tensor in load_file(file).items()}  # of a file that is rewritten
        removed = next(name for name in state if name.endswith("weight"))
        save_file({k: v for k, v in state.items() if k != removed}, file, metadata={"format": "pt"})
        for options in ({}, {"library": True}):
            with pytest.raises(WeightsError):
                load_encoder(spec_for(str(folder), options=options), device="cpu")
        save_file(state, file, metadata={"format": "pt"})


def test_modules_with_code_of_their_own_are_refused(plain_bert, tmp_path):
    folder = with_modules(plain_bert, tmp_path / "st", pooling="mean")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_model.MyTransformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(WeightsError, match="not run"):
        load_encoder(spec_for(str(folder)), device="cpu")


def test_a_spec_with_another_pooling_than_the_model_is_refused(minilm):
    with pytest.raises(SettingsError, match="pooling"):
        load_encoder(spec_for("minilm", model=str(minilm), pooling="cls"), device="cpu")


def test_a_plain_transformer_takes_the_specs_pooling(plain_bert):
    encoder = load_encoder(spec_for(str(plain_bert), pooling="cls"), device="cpu")
    assert encoder.identity()["pooling"] == '[["pooling", ["cls"]]]'


def test_images_are_refused_in_words(minilm):
    encoder = load_encoder(spec_for("minilm", model=str(minilm)), device="cpu")
    with pytest.raises(SettingsError, match="takes text"):
        encoder.prepare("image", object())


def test_chunks_are_measured_with_a_tokenizer_of_their_own(minilm):
    encoder = load_encoder(spec_for("minilm", model=str(minilm)), device="cpu")
    tokenizer = encoder.tokenizer()
    assert tokenizer is not None
    tokenizer.enable_truncation(max_length=3)
    assert encoder.prepare("text", TEXTS[1]).cost == 202
