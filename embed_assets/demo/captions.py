"""Captions for training: sentences, phrases and bare words, each with the facts that it names of a picture."""

from __future__ import annotations

import random
from dataclasses import dataclass

from embed_assets.demo.digits import WORDS
from embed_assets.demo.scenes import Scene

SCENE_TEMPLATES = (
    "a {size} {colour} {shape} in the {position}",
    "{size} {colour} {shape} {position}",
    "{position}: one {size} {colour} {shape}",
    "a picture of a {size} {colour} {shape} at the {position}",
    "there is a {size} {colour} {shape} in the {position} corner",
)
SHORT_TEMPLATES = (
    "{colour} {shape}",
    "a {colour} {shape}",
    "a {size} {shape}",
    "{size} {colour} {shape}",
    "a {shape} in the {position}",
    "a {colour} {shape} in the {position}",
    "something {colour} in the {position}",
    "{colour}",
    "{shape}",
    "a {shape}",
    "a {position} {shape}",
    "{position}",
)
DIGIT_TEMPLATES = (
    "a handwritten {word}",
    "{word}",
    "{digit}",
    "a handwritten {digit}",
    "the digit {word}",
    "the number {digit}",
    "a picture of the number {word}",
)


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A text and the facts that a picture must have to be a right answer to it."""

    text: str
    asks: dict[str, str]


def scene_facts(scene: Scene) -> dict[str, str]:
    """Return the facts of a picture of this scene."""
    return {"size": scene.size, "colour": scene.colour, "shape": scene.shape, "position": scene.position}


def digit_facts(digit: int) -> dict[str, str]:
    """Return the facts of a picture of this digit; `word` and `digit` name the same fact."""
    return {"digit": str(digit), "word": WORDS[digit]}


def draw_caption(facts: dict[str, str], rng: random.Random) -> Caption:
    """Draw one of the captions that fit the facts: three scene captions in four name all four facts."""
    templates = SCENE_TEMPLATES if rng.random() < 3 / 4 else SHORT_TEMPLATES
    return fill_template(rng.choice(DIGIT_TEMPLATES if "digit" in facts else templates), facts)


def fill_template(template: str, facts: dict[str, str]) -> Caption:
    """Fill the template with its facts; the caption requires only those."""
    asks = {name: value for name, value in facts.items() if f"{{{name}}}" in template}
    return Caption(text=template.format(**facts), asks=asks)


def fits(caption: Caption, facts: dict[str, str]) -> bool:
    """Whether a picture with these facts is a right answer."""
    return caption.asks.items() <= facts.items()
