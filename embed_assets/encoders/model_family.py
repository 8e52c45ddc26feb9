"""recognise: the family of a model, told by its config, its name or its address."""

from pathlib import Path
from typing import Any

from embed_assets.encoders.catalog_sound_video import PERCEIVER_CLASS, SOUND_VIDEO_DEFAULTS, SOUND_VIDEO_TYPES
from embed_assets.encoders.families.torchvision_cnn import ARCHITECTURES
from embed_assets.encoders.families.vision import LAYOUTS
from embed_assets.encoders.family_names import CLIP, CNN, MEL, OPENAI, PERCEIVER, PIXELS, SENTENCE, SIGLIP, VISION
from embed_assets.encoders.loading.find_weights import API, BUILTIN, TORCHVISION, fetch_json

# What a recognised model is declared as, before the name and the model itself.
DEFAULTS: dict[str, dict[str, Any]] = {
    SENTENCE: {"modalities": ("text",), "media": ("text",), "space": "text"},
    CLIP: {"modalities": ("image", "text"), "media": ("image",), "space": "image_text"},
    SIGLIP: {"modalities": ("image", "text"), "media": ("image",), "space": "image_text"},
    CNN: {"modalities": ("image",), "media": ("image",), "space": "image"},
    VISION: {"modalities": ("image",), "media": ("image",), "space": "image"},
    PIXELS: {"modalities": ("image",), "media": ("image",), "space": "image"},
    OPENAI: {"modalities": ("text",), "media": ("text",), "space": "text", "extra": "openai"},
    **SOUND_VIDEO_DEFAULTS,
}

# model_type of transformers whose last hidden state is a vector per token of a text, read both ways.
TEXT_ENCODERS = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "eurobert",
        "mobilebert",
        "modernbert",
        "mpnet",
        "nomic_bert",
        "roberta",
        "xlm-roberta",
        "xmod",
    }
)

# Families of one model_type each, and those of pictures, which families/vision.py lists.
BY_MODEL_TYPE = {"clip": CLIP, "siglip": SIGLIP, **dict.fromkeys(LAYOUTS, VISION), **SOUND_VIDEO_TYPES}


def recognise(model: str, *, revision: str | None = None) -> str | None:
    """The family of a local file or folder, a hub id or a torchvision name; None if it is none of ours."""
    path = Path(model).expanduser()
    if path.is_file() or model.startswith(TORCHVISION):
        return CNN if path.name.startswith(ARCHITECTURES) else None
    if model.startswith(BUILTIN):
        return {BUILTIN + "pixels": PIXELS, BUILTIN + "mel": MEL}.get(model)
    if model.startswith(API):
        return OPENAI if model.startswith(f"{API}openai/") else None
    config = fetch_json(model, "config.json", revision=revision)
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if fetch_json(model, "modules.json", revision=revision) is not None:
        return SENTENCE
    if model_type == "perceiver" and isinstance(config, dict):
        return PERCEIVER if PERCEIVER_CLASS in (config.get("architectures") or ()) else None
    if model_type in BY_MODEL_TYPE:
        return BY_MODEL_TYPE[model_type]
    return SENTENCE if model_type in TEXT_ENCODERS else None
