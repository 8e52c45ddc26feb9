"""Trains the tiny CLIP model of the demo: `python -m embed_assets.demo.train_clip [--out DIR]`."""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.demo import captions
from embed_assets.demo.digits import training_digits
from embed_assets.demo.scenes import render_scene, training_scenes

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from transformers import CLIPModel, CLIPProcessor, CLIPTokenizer

SEED = 7
STEPS = 2600
SCENES_PER_BATCH = 80
DIGITS_PER_BATCH = 48
SCENE_VARIANTS = 64
DIGIT_VARIANTS = 6
LEARNING_RATE = 2e-3
IMAGE_SIDE = 32
MAX_TOKENS = 24
LOGIT_SCALE_LIMIT = 4.6

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Training pictures: facts per subject, and pixels, float32, (subjects, variants, 3, 32, 32)."""

    facts: list[dict[str, str]]
    pixels: torch.Tensor


def train_clip(*, out: Path, steps: int = STEPS, scene_variants: int = SCENE_VARIANTS) -> None:
    """Train on the training half and save model and processor to `out`, weights in half precision."""
    import torch
    from transformers import CLIPProcessor

    torch.manual_seed(SEED)
    tokenizer = build_tokenizer()
    processor = CLIPProcessor(image_processor=_image_processor(), tokenizer=tokenizer)
    pools = _training_pools(processor, scene_variants=scene_variants)
    model = build_model(tokenizer)
    log.info("%d parameters, %d steps", sum(part.numel() for part in model.parameters()), steps)
    _train(model, tokenizer, pools, steps=steps)
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    processor.save_pretrained(out)


def build_tokenizer() -> CLIPTokenizer:
    """Build a byte-pair tokenizer of the captions' words, laid out as CLIP's: bytes, bytes at a word's end, merges.

    All 256 bytes are in it, because an unknown one would become the end token, at which CLIP pools.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    merges = _learn_merges()
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokens += [left + right for left, right in merges]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS)  # type: ignore[arg-type]


def build_model(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Build an untrained CLIP of about 450,000 parameters with the tokenizer's numbers in its config."""
    from transformers import CLIPConfig, CLIPModel

    text = {
        "vocab_size": len(tokenizer), "max_position_embeddings": MAX_TOKENS,
        "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        # CLIP takes the text's vector at this token, so the default of the published model would be wrong.
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    vision = {
        "image_size": IMAGE_SIDE, "patch_size": 8,
        "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))


def _learn_merges() -> list[tuple[str, str]]:
    """Learn the pairs merged into one token, most useful first, from every caption of the training half."""
    import json

    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=384, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(_all_texts(), trainer)
    return [(left, right) for left, right in json.loads(learner.to_str())["model"]["merges"]]


def _all_texts() -> list[str]:
    scenes = [captions.scene_facts(scene) for scene in training_scenes()]
    digits = [captions.digit_facts(digit) for digit in range(10)]
    scene_templates = captions.SCENE_TEMPLATES + captions.SHORT_TEMPLATES
    return [template.format(**facts) for facts in scenes for template in scene_templates] + [
        template.format(**facts) for facts in digits for template in captions.DIGIT_TEMPLATES
    ]


def _image_processor() -> object:
    """Resize any picture to 32 x 32 without a crop: a crop would cut off the corners that captions name."""
    from transformers import CLIPImageProcessor

    size = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    return CLIPImageProcessor(size=size, do_center_crop=False, crop_size=size, do_convert_rgb=True)


def _training_pools(processor: CLIPProcessor, *, scene_variants: int) -> tuple[Pool, Pool]:
    rng = random.Random(SEED)
    started = time.perf_counter()
    scenes, digits = training_scenes(), training_digits()
    scene_pool = Pool(
        facts=[captions.scene_facts(scene) for scene in scenes],
        pixels=_pixels(processor, ([render_scene(s, variant=v) for v in range(scene_variants)] for s in scenes)),
    )
    digit_pool = Pool(
        facts=[captions.digit_facts(digit) for _, _, digit in digits],
        pixels=_pixels(processor, ([_shaken(p, rng) for _ in range(DIGIT_VARIANTS)] for _, p, _ in digits)),
    )
    log.info("training pictures made in %.0f s", time.perf_counter() - started)
    return scene_pool, digit_pool


def _pixels(processor: CLIPProcessor, subjects: Iterable[list[Image]]) -> torch.Tensor:
    import torch

    images = processor.image_processor
    return torch.stack([images(list(pictures), return_tensors="pt")["pixel_values"] for pictures in subjects])


def _shaken(picture: Image, rng: random.Random) -> Image:
    """Turn, move and resize the picture a little, so that 899 digits teach more than themselves."""
    from PIL import Image

    angle, scale = rng.uniform(-12, 12), rng.uniform(0.85, 1.1)
    moved = (rng.randint(-5, 5), rng.randint(-5, 5))
    side = round(picture.width * scale)
    turned = picture.rotate(angle, Image.Resampling.BICUBIC, translate=moved).resize((side, side))
    canvas = Image.new("L", picture.size)
    canvas.paste(turned, ((picture.width - side) // 2, (picture.height - side) // 2))
    return canvas


def _train(model: CLIPModel, tokenizer: CLIPTokenizer, pools: tuple[Pool, Pool], *, steps: int) -> None:
    import torch

    rng = random.Random(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=LEARNING_RATE,
        total_steps=max(steps, 20),
        pct_start=0.1,  # its warm-up needs 2 steps
    )
    started = time.perf_counter()
    model.train()
    for step in range(1, steps + 1):
        loss = _batch_loss(model, tokenizer, pools, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        model.logit_scale.data.clamp_(max=LOGIT_SCALE_LIMIT)
        if step % 100 == 0 or step == steps:
            log.info("step %d: loss %.3f, %.0f s", step, loss.item(), time.perf_counter() - started)
    model.eval()


def _batch_loss(
    model: CLIPModel, tokenizer: CLIPTokenizer, pools: tuple[Pool, Pool], rng: random.Random
) -> torch.Tensor:
    """Return the contrastive loss in both directions; if a caption fits several pictures, all are right."""
    import torch

    facts, pixels = _draw_batch(pools, rng)
    drawn = [captions.draw_caption(fact, rng) for fact in facts]
    tokens = tokenizer([caption.text for caption in drawn], padding=True, return_tensors="pt")
    logits = model(pixel_values=pixels, **tokens).logits_per_text
    right = torch.tensor([[captions.fits(caption, fact) for fact in facts] for caption in drawn]).float()
    return (_shared_cross_entropy(logits, right) + _shared_cross_entropy(logits.T, right.T)) / 2


def _draw_batch(pools: tuple[Pool, Pool], rng: random.Random) -> tuple[list[dict[str, str]], torch.Tensor]:
    import torch

    facts: list[dict[str, str]] = []
    pixels: list[torch.Tensor] = []
    for pool, count in zip(pools, (SCENES_PER_BATCH, DIGITS_PER_BATCH), strict=True):
        for subject in rng.sample(range(len(pool.facts)), count):
            facts.append(pool.facts[subject])
            pixels.append(pool.pixels[subject, rng.randrange(pool.pixels.shape[1])])
    return facts, torch.stack(pixels)


def _shared_cross_entropy(logits: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    import torch

    targets = right / right.sum(dim=1, keepdim=True)
    return torch.nn.functional.cross_entropy(logits, targets)


def main() -> None:
    """Train, save, then measure the saved model on the held-out half."""
    from embed_assets.demo.evaluate_clip import evaluate_clip

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "clip")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train_clip(out=arguments.out, steps=arguments.steps)
    for name, value in evaluate_clip(arguments.out).items():
        log.info("%-45s %.3f", name, value)


if __name__ == "__main__":
    main()
