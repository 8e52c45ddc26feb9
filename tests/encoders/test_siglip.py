"""SiglipEncoder against the raw outputs of transformers' SiglipModel."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.errors import SettingsError, WeightsError
from embed_assets.testing import EncoderContract, picture
from tests.encoders.conftest import LINES
from tests.encoders.random_models import assert_same, saved, unit

IMAGES = [picture(64, 48, 1), picture(33, 90, 2), picture(32, 32, 3)]
TEXTS = ["a red circle on the left", "star", "Photo of a LARGE yellow triangle " * 20]


def gemma_tokenizer(*, entries=0):
    """Gemma's kind, as the checkpoints of SigLIP 2 declare it: no start, an end, padded on the right."""
    from transformers import GemmaTokenizer

    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    pieces = [*(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    fillers = [f"piece{number}" for number in range(len(specials) + len(pieces), entries)]
    vocab = {piece: index for index, piece in enumerate([*specials, *pieces, *fillers])}
    return GemmaTokenizer(
        vocab=vocab, merges=[], add_bos_token=False, add_eos_token=True, padding_side="right", model_max_length=64
    )


def config(*, width=32, layers=2, heads=4, size=32, patch=8, vocab=400, **text):
    """SiglipConfig of these sizes; the defaults are small."""
    from transformers import SiglipConfig

    tower: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }
    ids = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    return SiglipConfig(
        text_config=tower | ids | {"vocab_size": vocab, "projection_size": width} | text,
        vision_config=tower | {"image_size": size, "patch_size": patch},
    )


def images(size=32):
    from transformers import SiglipImageProcessor

    return SiglipImageProcessor(size={"height": size, "width": size})


@pytest.fixture(scope="module")
def tiny_siglip2(tmp_path_factory) -> Path:
    return saved(config(), tmp_path_factory.mktemp("siglip2"), gemma_tokenizer(), images())


def raw(folder, ids):
    """Vectors of pictures and of token ids, by the model's own towers and not its convenience methods."""
    import torch
    from transformers import AutoImageProcessor, SiglipModel

    model = SiglipModel.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = AutoImageProcessor.from_pretrained(folder)(images=IMAGES, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        seen = model.vision_model(pixel_values=pixels).pooler_output
        read = model.text_model(input_ids=torch.tensor(ids)).pooler_output
    return unit(seen), unit(read)


def encode(encoder, modality, payloads):
    return encoder.encode([encoder.prepare(modality, payload) for payload in payloads])


def ids_of(folder, texts):
    from transformers import AutoTokenizer

    lowered = [text.lower() for text in texts]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer(lowered, padding="max_length", truncation=True, max_length=64)["input_ids"]


def test_both_towers_equal_the_models_pooled_outputs(tiny_siglip2):
    encoder = load_encoder(spec_for(str(tiny_siglip2)), device="cpu")
    assert encoder.spec.modalities == ("image", "text")
    seen, read = raw(tiny_siglip2, ids_of(tiny_siglip2, TEXTS))
    assert_same(encode(encoder, "image", IMAGES), seen)
    assert_same(encode(encoder, "text", TEXTS), read)


def test_every_text_is_padded_to_the_length_of_training(tiny_siglip2):
    encoder = load_encoder(spec_for(str(tiny_siglip2)), device="cpu")
    for text in ("", *TEXTS):
        prepared = encoder.prepare("text", text)
        assert prepared.cost == 64
        assert prepared.data[0].count(1) == 1
    assert encoder.prepare("text", "Star").data[0][4:] == [1] + [0] * 59
    assert encoder.max_tokens == 63


def test_a_lower_limit_cuts_but_pads_as_before(tiny_siglip2):
    encoder = load_encoder(spec_for(str(tiny_siglip2), max_tokens=9), device="cpu")
    ids = encoder.prepare("text", TEXTS[2]).data[0]
    assert len(ids) == 64
    assert ids.index(1) == 8
    assert set(ids[9:]) == {0}


def test_siglip_2_reads_lower_case_whatever_its_tokenizer_keeps(tiny_siglip2):
    encoder = load_encoder(spec_for(str(tiny_siglip2)), device="cpu")
    assert encoder.prepare("text", "A Red STAR").data == encoder.prepare("text", "a red star").data


def test_truncation_is_refused(tiny_siglip2):
    with pytest.raises(SettingsError, match="truncate_dim"):
        load_encoder(spec_for(str(tiny_siglip2), truncate_dim=8), device="cpu")


def test_preprocessing_and_tokenizer_are_parts_of_the_identity(tiny_siglip2, tmp_path):
    other = saved(config(), tmp_path, gemma_tokenizer(), images())
    old = load_encoder(spec_for(str(tiny_siglip2)), device="cpu").identity()
    assert load_encoder(spec_for(str(other)), device="cpu").identity() == old
    for name, key, value, part in (
        ("preprocessor_config.json", "image_mean", [0.1, 0.2, 0.3], "preprocessing"),
        ("tokenizer_config.json", "padding_side", "left", "tokenizer"),
    ):
        file = other / name
        before = file.read_text()
        file.write_text(json.dumps(json.loads(before) | {key: value}))
        new = load_encoder(spec_for(str(other)), device="cpu").identity()
        assert {name for name in old if old[name] != new[name]} == {part}
        file.write_text(before)


@pytest.mark.slow
def test_the_true_architecture_of_siglip2_base(tmp_path):
    """1.5 GB of random weights, two thirds of them the table of Gemma's 256,000 pieces."""
    whole = config(width=768, layers=12, heads=12, size=224, patch=16, vocab=256000)
    folder = saved(whole, tmp_path, gemma_tokenizer(entries=256_000), images(224))
    encoder = load_encoder(spec_for("siglip2-base", model=str(folder)), device="cpu")
    assert encoder.prepare("image", IMAGES[0]).cost == 224 * 224
    seen, read = raw(folder, ids_of(folder, TEXTS))
    assert_same(encode(encoder, "image", IMAGES), seen)
    assert_same(encode(encoder, "text", TEXTS), read)
    (folder / "model.safetensors").unlink()


def piece_model(folder: Path) -> Path:
    """A folder of the first SigLIP's kind: a sentencepiece model, no tokenizer.json."""
    pytest.importorskip("google.protobuf")
    trainer = pytest.importorskip("sentencepiece")
    prefix = folder / "spiece"
    trainer.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 3),
        model_prefix=str(prefix),
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=-1,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer", "model_max_length": 64}')
    return saved(config(), folder, images())


def test_the_first_siglips_tokenizer_drops_case_and_punctuation(tmp_path):
    folder = piece_model(tmp_path)
    encoder = load_encoder(spec_for(str(folder)), device="cpu")
    _, read = raw(folder, ids_of(folder, TEXTS))
    assert_same(encode(encoder, "text", TEXTS), read)
    assert encoder.prepare("text", "A red star!").data == encoder.prepare("text", "a red star").data
    assert encoder.tokenizer() is None
    assert encoder.max_tokens == 63
    again = load_encoder(spec_for(str(folder)), device="cpu")
    assert again.identity() == encoder.identity()
    many = [encoder.prepare("text", text).data for text in TEXTS]
    assert np.array([ids for ids, _ in many]).shape == (3, 64)


def test_without_sentencepiece_the_first_siglip_says_what_to_install(tiny_siglip2, tmp_path):
    from importlib.util import find_spec

    if find_spec("sentencepiece") is not None:
        pytest.skip("sentencepiece is installed")
    folder = saved(config(), tmp_path, images())
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer"}')
    (folder / "spiece.model").write_bytes(b"")
    with pytest.raises(WeightsError, match="pip install sentencepiece"):
        load_encoder(spec_for(str(folder)), device="cpu")


class TestSiglip2(EncoderContract):
    @pytest.fixture(scope="class")
    def encoder(self, tiny_siglip2):
        return load_encoder(spec_for(str(tiny_siglip2)), device="cpu")
