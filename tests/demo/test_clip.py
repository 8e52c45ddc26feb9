"""The shipped CLIP: small, loadable by its standard classes, and right about simple things."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embed_assets.demo.encoders import clip_folder
from embed_assets.demo.scenes import held_out_scenes, render_scene

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model() -> Any:
    loaded, report = transformers.CLIPModel.from_pretrained(
        clip_folder(), dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    assert not report["missing_keys"]
    return loaded.eval()


@pytest.fixture(scope="module")
def processor() -> Any:
    return transformers.CLIPProcessor.from_pretrained(clip_folder())


def _nearest(model: Any, processor: Any, texts: list[str], pictures: Sequence[Image.Image]) -> list[int]:
    inputs = processor(text=texts, images=list(pictures), padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs).logits_per_image.argmax(dim=1).tolist()


def test_the_folder_is_under_one_and_a_half_megabytes() -> None:
    assert sum(path.stat().st_size for path in clip_folder().iterdir()) < 1_500_000


def test_text_is_pooled_at_the_tokenizers_end_token(model: Any, processor: Any) -> None:
    config, tokenizer = model.config.text_config, processor.tokenizer
    assert config.eos_token_id == tokenizer.eos_token_id
    assert config.bos_token_id == tokenizer.bos_token_id
    assert config.vocab_size == len(tokenizer)
    assert config.max_position_embeddings == tokenizer.model_max_length


def test_unknown_letters_do_not_end_the_text(processor: Any) -> None:
    tokens = processor.tokenizer("ünïque 東京 red circle")["input_ids"]
    assert tokens.index(processor.tokenizer.eos_token_id) == len(tokens) - 1


def test_most_held_out_scenes_find_their_caption(model: Any, processor: Any) -> None:
    scenes = held_out_scenes()
    pictures = [render_scene(scene, variant=0) for scene in scenes]
    nearest = _nearest(model, processor, [scene.caption for scene in scenes], pictures)
    assert sum(index == near for index, near in enumerate(nearest)) / len(scenes) > 0.85


def test_pictures_of_any_size_and_mode_pass(model: Any, processor: Any) -> None:
    pictures = [Image.new("L", (7, 300)), Image.new("RGBA", (1000, 20)), Image.new("P", (64, 64))]
    vectors = [_nearest(model, processor, ["seven"], [picture]) for picture in pictures]
    assert vectors == [[0], [0], [0]]


@pytest.mark.slow
def test_held_out_digits_find_bare_words(model: Any, processor: Any, corpus: Path) -> None:
    from embed_assets.demo.digits import WORDS
    from embed_assets.demo.sidecar import read_sidecar

    rows = read_sidecar(corpus / "digits")[:200]
    pictures = [Image.open(corpus / "digits" / row["file"]) for row in rows]
    nearest = _nearest(model, processor, list(WORDS), pictures)
    hits = [str(near) == row["label"] for near, row in zip(nearest, rows, strict=True)]
    assert sum(hits) / len(hits) > 0.9


@pytest.mark.slow
def test_two_steps_of_training_save_a_model_that_loads(tmp_path: Path) -> None:
    from embed_assets.demo.train_clip import train_clip

    train_clip(out=tmp_path, steps=2, scene_variants=1)
    transformers.CLIPModel.from_pretrained(tmp_path, dtype=torch.float32, use_safetensors=True)
    assert transformers.CLIPProcessor.from_pretrained(tmp_path)
