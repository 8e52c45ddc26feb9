"""The texts that every tool gets: real questions and sentences, a file each, with their edits and deletions."""

import csv
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

from shared_data import DATA, SCIFACT, abstracts, write_texts

BANKING = DATA / "text_banking77" / "test.csv"
NEEDED = (BANKING, SCIFACT)
QUESTIONS = 0.616  # of all texts: 3,079 of 5,000, as many different questions as there are
CHANGED = 0.01
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_SHORTEST = 40  # characters: shorter pieces are mostly headings and broken abbreviations


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Texts by name, as they are first; what is edited to what; what is deleted."""

    first: dict[str, str]
    edits: dict[str, str]
    deletions: frozenset[str]
    sample: tuple[str, ...] = field(default=())  # names whose vectors are looked at: those above, and others

    def after(self, step: str) -> dict[str, str]:
        """Return the texts that there are once a step was taken."""
        if step in ("first run", "nothing changed"):
            return self.first
        edited = {**self.first, **self.edits}
        if step == "1 % edited":
            return edited
        return {name: text for name, text in edited.items() if name not in self.deletions}


def make_corpus(count: int, *, looked_at: int = 100, seed: int = 17) -> Corpus:
    """Choose `count` different texts, 61.6 % of them questions, and sentences in place of 1 %."""
    asked = _questions()[: round(QUESTIONS * count)]
    changed = max(2, round(CHANGED * count))
    spoken = _sentences(seed)[: count - len(asked) + changed]
    texts = [*asked, *spoken[:-changed]]
    first = {f"{number:05d}": text for number, text in enumerate(texts)}
    order = random.Random(seed).sample(sorted(first), len(first))
    edits = dict(zip(order, spoken[-changed:], strict=False))
    deletions = frozenset(order[changed : 2 * changed])
    return Corpus(first=first, edits=edits, deletions=deletions, sample=tuple(order[: 2 * changed + looked_at]))


def write_change(folder: Path, corpus: Corpus, step: str) -> None:
    """Bring the folder of texts to where it is when a step begins."""
    if step == "first run":
        write_texts(folder, corpus.first)
    if step == "1 % edited":
        for name, text in corpus.edits.items():
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    if step == "1 % deleted":
        for name in corpus.deletions:
            (folder / f"{name}.txt").unlink()


def _questions() -> list[str]:
    """Banking77's test questions, each once."""
    with BANKING.open(encoding="utf-8", newline="") as lines:
        return list(dict.fromkeys(row["text"].strip() for row in csv.DictReader(lines)))


def _sentences(seed: int) -> list[str]:
    """Sentences of SciFact's abstracts, each once, shuffled."""
    pieces = (piece.strip() for text in abstracts().values() for piece in _SENTENCE.split(text))
    found = list(dict.fromkeys(piece for piece in pieces if len(piece) >= _SHORTEST))
    random.Random(seed).shuffle(found)
    return found
