"""The reference pages of docs/ that are made from the code: run as a program, it writes them anew.

python -m tests.reference
"""

import json
from pathlib import Path

from embed_assets.cli.documents import DOCUMENTS, schema_of
from tests.support import REPOSITORY


def pages() -> dict[Path, str]:
    """Path → text of each page."""
    docs = REPOSITORY / "docs"
    return {docs / "json" / f"{name}.json": json.dumps(schema_of(name), indent=2) + "\n" for name in DOCUMENTS}


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
