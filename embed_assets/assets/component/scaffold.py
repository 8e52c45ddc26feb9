"""What `dg scaffold defs` writes: a component's file with comments, and some media that it runs on."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from embed_assets.demo.encoders import MINILM_MODULE

_YAML = """\
type: {kind}

# The keys are those of a pipeline.yaml: `dg utils inspect-component {kind}`
# lists all, with what they mean. Relative paths are taken from this file's folder; a value may be a
# template, as "{{{{ env.MEDIA_BUCKET }}}}".
attributes:
  key_prefix: [{name}] # before every asset, job and resource: keeps two pipelines of a project apart
  store: "{{{{ context.project_root }}}}/data/{name}" # or s3://bucket/prefix; a pipeline has its own

  sources:
    media:
      uri: media # a folder, or s3://bucket/prefix; put your files here
      # pattern: "**/*.{{jpg,png}}"
      # labels: folder # the first folder below is an item's label

  encoders:
    texts:
      model: {model} # {about}
      media: [text] # what it is fed
    # pictures:
    #   model: embedded:clip # of toy size; a real one: openai/clip-vit-base-patch32
    #   media: [image]

  # spaces: # what search addresses; an encoder's own is named after what it encodes
  #   text:
  #     promotion: manual # a checked candidate waits for a person
  #     queries: queries.jsonl # labelled queries: {{"query": "…", "relevant": ["key", …]}}

  # compute:
  #   device: cuda # unset: what is there

  # automation:
  #   enabled: true # assets ask by themselves for what is missing or stale

# Owners, groups and conditions of the host's can be laid over the assets; the jobs stay whole.
# post_processing:
#   assets:
#     - target: "*"
#       attributes:
#         owners: ["team:search"]
"""

_PYTHON = """\
import dagster as dg
from {module} import {cls}


@dg.component_instance
def load(context: dg.ComponentLoadContext) -> {cls}:
    \"\"\"The keys are those of a pipeline.yaml; relative paths are taken from this file's folder.\"\"\"
    return {cls}.model_validate(
        {{
            "key_prefix": ["{name}"],
            "store": f"{{context.project_root}}/data/{name}",
            "sources": {{"media": {{"uri": "media"}}}},
            "encoders": {{"texts": {{"model": "{model}", "media": ["text"]}}}},
        }}
    )
"""

_MEDIA = {
    "about.txt": "Put files here: texts, tables, documents, pictures, sounds and videos, in folders as you like.\n",
    "freshness.txt": "A new or edited file is embedded by the next run; a deleted one leaves the index.\n",
    "versions.txt": "Another model makes another version, beside the one that search reads until its checks passed.\n",
}


def write_component(path: Path, *, kind: str, form: Literal["yaml", "python"], append: bool = False) -> None:
    """Write a component's file and media into folder `path`; with `append` add a document to its defs.yaml."""
    folder = path.parent if append else path
    filled = _YAML if form == "yaml" else _PYTHON
    module, _, cls = kind.rpartition(".")
    model, about = _text_model()
    name = _name(folder.name, taken=_documents(path) if append else 0)
    text = filled.format(kind=kind, module=module, cls=cls, name=name, model=model, about=about)
    if append:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"---\n{text}")
    else:
        (path / ("defs.yaml" if form == "yaml" else "component.py")).write_text(text, encoding="utf-8")
    _write_media(folder / "media")


def _documents(file: Path) -> int:
    return len(re.findall(r"^type:", file.read_text(encoding="utf-8"), re.MULTILINE))


def _text_model() -> tuple[str, str]:
    """Name a text model for the first run; it needs no hub where the extra is installed."""
    hub = "sentence-transformers/all-MiniLM-L6-v2"
    if find_spec(MINILM_MODULE) is not None:
        return "embedded:minilm", f"needs no network; of a hub: {hub}, or a folder: ./models/mine"
    return hub, "downloaded by the first run; without a network: pip install 'embed-assets[demo]', embedded:minilm"


def _name(folder: str, *, taken: int) -> str:
    """Convert a folder's name to a settings name: lower case letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_")
    name = name if name[:1].isalpha() else f"media_{name}".rstrip("_")
    return f"{name}_{taken + 1}" if taken else name


def _write_media(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(parents=True)
    for name, text in _MEDIA.items():
        (folder / name).write_text(text, encoding="utf-8")
