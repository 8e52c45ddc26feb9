"""Held-out figures of the demo's CLIP model, measured on the files that the corpus writes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_assets.demo.digits import WORDS, digit_caption, write_digits
from embed_assets.demo.scenes import held_out_scenes, write_scenes
from embed_assets.demo.sidecar import read_sidecar

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Labels and unit vectors, float32, (len(labels), dim)."""

    labels: list[str]
    vectors: torch.Tensor


def evaluate_clip(folder: Path) -> dict[str, float]:
    """Measure recall@1 by direction and part; every query is searched among scenes and digits together."""
    import torch
    from transformers import CLIPModel, CLIPProcessor

    model: Any = CLIPModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    processor: Any = CLIPProcessor.from_pretrained(folder)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as corpus:
        pictures = _pictures(model, processor, Path(corpus))
        texts = _texts(model, processor, {s.label: s.caption for s in held_out_scenes()} | _digit_captions())
        words = _texts(model, processor, {str(digit): word for digit, word in enumerate(WORDS)})
    return {
        "scenes, text to image": _recall(_part(texts, "scenes"), pictures),
        "scenes, image to text": _recall(_part(pictures, "scenes"), texts),
        "scenes, image to image": _recall(_part(pictures, "scenes"), pictures, itself=True),
        "digits, text to image": _recall(_part(texts, "digits"), pictures),
        "digits, text to image, right in first 20": _precision(_part(texts, "digits"), pictures, first=20),
        "digits, bare word to image, right in first 20": _precision(words, pictures, first=20),
        "digits, image to text": _recall(_part(pictures, "digits"), texts),
        "digits, image to image": _recall(_part(pictures, "digits"), pictures, itself=True),
    }


def _digit_captions() -> dict[str, str]:
    return {str(digit): digit_caption(digit) for digit in range(10)}


def _pictures(model: Any, processor: Any, folder: Path) -> _Side:
    from PIL import Image

    write_scenes(folder / "scenes")
    write_digits(folder / "digits")
    rows = [(folder / part / row["file"], row["label"]) for part in ("scenes", "digits")
            for row in read_sidecar(folder / part)]  # fmt: skip
    inputs = processor(images=[Image.open(path).convert("RGB") for path, _ in rows], return_tensors="pt")
    vectors = model.get_image_features(pixel_values=inputs["pixel_values"], return_dict=False)[1]
    return _side([label for _, label in rows], vectors)


def _texts(model: Any, processor: Any, captions: dict[str, str]) -> _Side:
    inputs = processor(text=list(captions.values()), padding=True, return_tensors="pt")
    return _side(list(captions), model.get_text_features(**inputs, return_dict=False)[1])


def _side(labels: list[str], vectors: torch.Tensor) -> _Side:
    import torch

    return _Side(labels=labels, vectors=torch.nn.functional.normalize(vectors, dim=-1))


def _part(side: _Side, part: str) -> _Side:
    chosen = [row for row, label in enumerate(side.labels) if label.isdigit() == (part == "digits")]
    return _Side(labels=[side.labels[row] for row in chosen], vectors=side.vectors[chosen])


def _recall(queries: _Side, answers: _Side, *, itself: bool = False) -> float:
    """Return the share of queries whose nearest answer has their label; `itself` drops the query's own picture."""
    nearest = (queries.vectors @ answers.vectors.T).topk(2).indices[:, 1 if itself else 0].tolist()
    hits = [answers.labels[near] == label for near, label in zip(nearest, queries.labels, strict=True)]
    return sum(hits) / len(hits)


def _precision(queries: _Side, answers: _Side, *, first: int) -> float:
    nearest = (queries.vectors @ answers.vectors.T).topk(first).indices.tolist()
    hits = [answers.labels[near] == label for row, label in zip(nearest, queries.labels, strict=True) for near in row]
    return sum(hits) / len(hits)
