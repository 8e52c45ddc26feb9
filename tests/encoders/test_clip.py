"""ClipEncoder against transformers' own CLIPModel."""

import json
import shutil
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import EncoderOutputError, WeightsError
from embed_assets.testing import picture

TEXTS = ["a red circle on the left", "star", "photo of a large yellow triangle " * 9]


def test_vectors_equal_the_models_embeds(tiny_clip):
    import torch
    from transformers import AutoProcessor, CLIPModel

    encoder = load_encoder(spec_for(str(tiny_clip)), device="cpu")
    images = [picture(64, 48, 1), picture(33, 90, 2), picture(32, 32, 3)]
    processor = AutoProcessor.from_pretrained(tiny_clip)
    inputs = processor(text=TEXTS, images=images, return_tensors="pt", padding=True, truncation=True, max_length=16)
    with torch.no_grad():
        expected = CLIPModel.from_pretrained(tiny_clip, dtype=torch.float32).eval()(**inputs)
    found = encoder.encode([encoder.prepare("image", image) for image in images])
    assert np.abs(found - expected.image_embeds.numpy()).max() < 1e-5
    found = encoder.encode([encoder.prepare("text", text) for text in TEXTS])
    assert np.abs(found - expected.text_embeds.numpy()).max() < 1e-5


def test_long_texts_are_cut_and_keep_their_end_token(tiny_clip):
    encoder = load_encoder(spec_for(str(tiny_clip)), device="cpu")
    prepared = encoder.prepare("text", "star " * 100)
    assert prepared.cost == 16
    assert prepared.data[0][-1] == 1
    assert encoder.max_tokens == 14


def test_a_checkpoint_in_half_precision_runs_in_float32(tiny_clip, tmp_path):
    from transformers import CLIPModel

    folder = shutil.copytree(tiny_clip, tmp_path / "half")
    CLIPModel.from_pretrained(tiny_clip).half().save_pretrained(folder)
    encoder = load_encoder(spec_for(str(folder)), device="cpu")
    whole = load_encoder(spec_for(str(tiny_clip)), device="cpu")
    items = [whole.prepare("text", text) for text in TEXTS]
    assert (encoder.encode(items) * whole.encode(items)).sum(axis=1).min() > 0.999
    assert encoder.identity()["weights"] != whole.identity()["weights"]


def test_a_wrong_end_token_is_refused(tiny_clip, tmp_path):
    folder = shutil.copytree(tiny_clip, tmp_path / "clip")
    config = json.loads((folder / "config.json").read_text())
    for wrong in (2, 49407):
        config["text_config"]["eos_token_id"] = wrong
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(WeightsError, match="eos_token_id"):
            load_encoder(spec_for(str(folder)), device="cpu")


def test_missing_tensors_are_refused(tiny_clip, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_clip, tmp_path / "clip")
    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="visual_projection"):
        load_encoder(spec_for(str(folder)), device="cpu")


def test_preprocessing_is_part_of_the_identity(tiny_clip, tmp_path):
    folder = shutil.copytree(tiny_clip, tmp_path / "clip")
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    content["image_processor"]["image_mean"] = [0.5, 0.5, 0.5]
    file.write_text(json.dumps(content))
    old = load_encoder(spec_for(str(tiny_clip)), device="cpu").identity()
    new = load_encoder(spec_for(str(folder)), device="cpu").identity()
    assert {name for name in old if old[name] != new[name]} == {"preprocessing"}


def test_a_batch_of_two_modalities_is_refused(tiny_clip):
    encoder = load_encoder(spec_for(str(tiny_clip)), device="cpu")
    with pytest.raises(EncoderOutputError, match="image and text"):
        encoder.encode([encoder.prepare("text", "star"), encoder.prepare("image", picture(40, 40, 0))])


@pytest.mark.slow
def test_the_true_architecture_of_vit_b_32(tiny_clip, tmp_path):
    """600 MB of random weights: size, dim and cost as published, not the published vectors."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    small = json.loads(CLIPTokenizer.from_pretrained(tiny_clip).backend_tokenizer.to_str())["model"]
    vocab = small["vocab"] | {f"word{number}</w>": number for number in range(len(small["vocab"]), 49_408)}
    merges: Any = [tuple(merge) for merge in small["merges"]]
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    CLIPModel(CLIPConfig(text_config=ids)).save_pretrained(tmp_path)
    CLIPProcessor(image_processor=CLIPImageProcessor(), tokenizer=tokenizer).save_pretrained(tmp_path)
    encoder = load_encoder(spec_for("clip-vit-b32", model=str(tmp_path)), device="cpu")
    prepared = encoder.prepare("image", picture(640, 480, 0))
    assert prepared.cost == 224 * 224
    assert encoder.encode([prepared]).shape == (1, 512)
    assert encoder.prepare("text", "star " * 200).cost == 77
