"""Real data beside the repository: SciFact's abstracts and judgements, photos of groceries."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SCIFACT = DATA / "text_scifact"
GROCERY = DATA / "image_grocery"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A claim and the ids of the abstracts that are relevant to it."""

    text: str
    relevant: tuple[str, ...]


def missing(*needed: Path) -> list[str]:
    """Which of the files and folders are not there, as paths below the data folder."""
    return [f"shared/data/{path.relative_to(DATA).as_posix()}" for path in needed if not path.exists()]


def abstracts() -> dict[str, str]:
    """SciFact's 5,183 abstracts by id, title and abstract as one text, as BEIR and MTEB join them."""
    rows = map(json.loads, (SCIFACT / "corpus.jsonl").open(encoding="utf-8"))
    return {row["_id"]: f"{row['title']} {row['text']}".strip() for row in rows}


def questions() -> list[Question]:
    """SciFact's 300 test claims, each with what is relevant. No claim has the id of an abstract."""
    relevant: dict[str, list[str]] = {}
    with (SCIFACT / "qrels" / "test.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], []).append(row["corpus-id"])
    claims = map(json.loads, (SCIFACT / "queries.jsonl").open(encoding="utf-8"))
    texts = {row["_id"]: row["text"] for row in claims}
    return [Question(text=texts[query], relevant=tuple(found)) for query, found in relevant.items()]


def pictures() -> list[Path]:
    """List the photos and product pictures of the grocery set, in a fixed order."""
    return sorted(GROCERY.rglob("*.jpg"))


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    """One file a text, named by its id."""
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
