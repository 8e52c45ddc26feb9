"""The encoder version: what changes it, what does not, and what the cache saves."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from embed_assets.encoders.loading.find_weights import resolve_model
from embed_assets.encoders.loading.identity import (
    EncoderIdentity,
    cache_file,
    difference,
    hash_config,
    hash_tensors,
    identify,
)
from embed_assets.encoders.registry import load_encoder, spec_for

SEGMENTING = {"chunk_tokens": 254, "overlap": 0}


def version(spec, *, dtype="float32", segmenting=SEGMENTING):
    resolved = resolve_model(spec)
    identity = identify(
        spec,
        device="cpu",
        dtype=dtype,
        resolved=resolved,
        load=lambda: load_encoder(spec, resolved=resolved, device="cpu", dtype=dtype),
    )
    return identity.version(segmenting)


@pytest.fixture
def bert(plain_bert, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(plain_bert, tmp_path / "bert")


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_copy_in_another_folder_has_the_same_version(plain_bert, bert):
    assert version(spec_for(str(bert), name="other")) == version(spec_for(str(plain_bert)))


def test_a_resaved_and_sharded_copy_has_the_same_version(plain_bert, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    folder = tmp_path / "sharded"
    AutoModel.from_pretrained(plain_bert).save_pretrained(folder, max_shard_size="20KB")
    AutoTokenizer.from_pretrained(plain_bert).save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert version(spec_for(str(folder))) == version(spec_for(str(plain_bert)))


def test_minilm_saved_again_by_sentence_transformers_has_the_same_version(minilm, tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "saved-again"
    SentenceTransformer(str(minilm), device="cpu").save(str(folder))
    spec = spec_for("minilm", model=str(minilm))
    assert version(replace(spec, model=str(folder))) == version(spec)


def test_tensors_renamed_in_the_file_have_the_same_version(plain_bert, bert):
    from safetensors.torch import load_file, save_file

    state = load_file(bert / "model.safetensors")
    save_file({f"bert.{k}": v for k, v in state.items()}, bert / "model.safetensors", metadata={"format": "pt"})
    assert version(spec_for(str(bert))) == version(spec_for(str(plain_bert)))


def test_bookkeeping_in_the_config_does_not_enter(plain_bert, bert):
    edit(bert / "config.json", _name_or_path="elsewhere", transformers_version="4.0.0", use_cache=False)
    assert version(spec_for(str(bert))) == version(spec_for(str(plain_bert)))


def test_the_dtype_word_in_the_config_does_not_enter(plain_bert, bert):
    edit(bert / "config.json", dtype="float16")
    assert version(spec_for(str(bert))) == version(spec_for(str(plain_bert)))


def test_one_changed_weight_changes_the_version(bert):
    from safetensors.torch import load_file, save_file

    spec = spec_for(str(bert))
    before = version(spec)
    state = load_file(bert / "model.safetensors")
    state["encoder.layer.0.output.dense.bias"][3] += 1e-6
    save_file(state, bert / "model.safetensors", metadata={"format": "pt"})
    assert version(spec) != before


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("tokenizer_config.json", {"do_lower_case": False}),
        ("tokenizer_config.json", {"model_max_length": 20}),
        ("config.json", {"layer_norm_eps": 1e-5}),
        ("config.json", {"hidden_act": "relu"}),
    ],
)
def test_a_setting_that_moves_vectors_changes_the_version(plain_bert, bert, file, changes):
    edit(bert / file, **changes)
    assert version(spec_for(str(bert))) != version(spec_for(str(plain_bert)))


def test_minilm_without_lower_case_is_another_version(minilm, tmp_path):
    folder = shutil.copytree(minilm, tmp_path / "cased")
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    spec = spec_for("minilm", model=str(minilm))
    assert version(replace(spec, model=str(folder))) != version(spec)


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "cls"},
        {"query_prompt": "query: "},
        {"document_prompt": "passage: "},
        {"unit_length": False},
        {"truncate_dim": 16},
        {"max_tokens": 12},
    ],
)
def test_a_change_of_the_spec_that_moves_vectors_changes_the_version(plain_bert, changes):
    spec = spec_for(str(plain_bert))
    assert version(replace(spec, **changes)) != version(spec)


@pytest.mark.parametrize(
    "changes",
    [{"name": "other"}, {"license": "MIT"}, {"space": "other"}, {"source": "x"}, {"distance": "l2"}],
)
def test_names_and_notes_do_not_change_the_version(plain_bert, changes):
    spec = spec_for(str(plain_bert))
    assert version(replace(spec, **changes)) == version(spec)


def test_dtype_and_segmenting_change_the_version(plain_bert):
    spec = spec_for(str(plain_bert))
    versions = {
        version(spec),
        version(spec, dtype="bfloat16"),
        version(spec, segmenting={**SEGMENTING, "overlap": 20}),
    }
    assert len(versions) == 3


def test_the_version_is_twelve_hex_digits_and_does_not_depend_on_order():
    one = EncoderIdentity(parts={"a": "1", "b": "2"}, dim=2, max_tokens=None)
    other = EncoderIdentity(parts={"b": "2", "a": "1"}, dim=2, max_tokens=None)
    assert one.version({"x": 1, "y": 2}) == other.version({"y": 2, "x": 1})
    assert len(one.version({})) == 12
    assert int(one.version({}), 16) >= 0


def test_tensors_hash_by_name_dtype_shape_and_bytes():
    import torch

    base = torch.arange(6, dtype=torch.float32)
    hashes = [
        hash_tensors([("w", base)]),
        hash_tensors([("v", base)]),
        hash_tensors([("w", base.reshape(2, 3))]),
        hash_tensors([("w", base.to(torch.bfloat16))]),
        hash_tensors([("w", base.view(torch.int32))]),
        hash_tensors([("w", torch.tensor(1.0))]),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_tensors([("a", base), ("b", base + 1)]) == hash_tensors([("b", base + 1), ("a", base)])
    assert hash_tensors([("w", base.reshape(2, 3).T)]) == hash_tensors([("w", base.reshape(2, 3).T.contiguous())])


def test_config_hash_drops_bookkeeping_at_every_depth():
    one = {"hidden": 3, "text_config": {"eps": 1, "_name_or_path": "a"}}
    assert hash_config(one) == hash_config({"text_config": {"eps": 1, "dtype": "float16"}, "hidden": 3})
    assert hash_config(one) != hash_config({"hidden": 3, "text_config": {"eps": 2}})


def test_a_difference_is_reported_in_words():
    old = {"weights": "1a2b" * 16, "dtype": "float32", "tokenizer": "same"}
    new = {"weights": "3c4d" * 16, "dtype": "float32", "tokenizer": "same", "prompts": "query: "}
    assert difference(old, new) == ["prompts: none → query: ", "weights: 1a2b… → 3c4d…"]


def test_a_cache_hit_loads_nothing_and_imports_no_torch(plain_bert):
    spec = spec_for(str(plain_bert))
    expected = version(spec)
    code = f"""
import sys
from embed_assets.encoders.loading.identity import identify
from embed_assets.encoders.registry import spec_for
from embed_assets.encoders.loading.find_weights import resolve_model
spec = spec_for({str(plain_bert)!r})
def load():
    raise AssertionError("loaded")
identity = identify(spec, device="cuda", dtype="float32", resolved=resolve_model(spec), load=load)
heavy = [name for name in ("torch", "transformers", "tokenizers", "dagster") if name in sys.modules]
print(identity.version({SEGMENTING!r}), identity.dim, identity.max_tokens, heavy)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.split() == [expected, "32", "62", "[]"]


def test_a_touched_file_is_hashed_again_and_has_the_same_version(bert):
    spec = spec_for(str(bert))
    loads = []

    def identity():
        resolved = resolve_model(spec)

        def load():
            loads.append(1)
            return load_encoder(spec, resolved=resolved, device="cpu")

        return identify(spec, device="cpu", dtype="float32", resolved=resolved, load=load)

    first = identity()
    assert identity() == first
    assert len(loads) == 1
    os.utime(bert / "model.safetensors", ns=(1, 1))
    assert identity() == first
    assert len(loads) == 2


def test_a_broken_cache_is_no_more_than_slow(plain_bert):
    spec = spec_for(str(plain_bert))
    expected = version(spec)
    for content in ("{", "[]", '{"identities": {"x": 1}}'):
        cache_file().write_text(content)
        assert version(spec) == expected


def test_the_cache_is_bounded(plain_bert):
    cache_file().parent.mkdir(parents=True)
    entry = {"parts": {}, "dim": 1, "max_tokens": None}
    cache_file().write_text(json.dumps({"identities": {str(number): entry for number in range(500)}}))
    version(spec_for(str(plain_bert)))
    kept = json.loads(cache_file().read_text())["identities"]
    assert len(kept) == 256
    assert "0" not in kept
    assert "499" in kept
    assert list(cache_file().parent.iterdir()) == [cache_file()]
