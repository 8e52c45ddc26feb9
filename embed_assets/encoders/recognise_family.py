"""Recognise a model's family, by its name and its small JSON files."""

from pathlib import Path

from embed_assets.encoders.catalog import builtin_families
from embed_assets.encoders.family_type import ModelDescription
from embed_assets.encoders.loading.find_weights import FILELESS, TORCHVISION, fetch_json


def recognise_family(model: str, *, revision: str | None = None) -> str | None:
    """Return the family of a local file or folder, a hub id or a prefixed name; None where no family recognises it."""
    description = describe_model(model, revision=revision)
    return next((family.name for family in builtin_families().values() if family.recognises(description)), None)


def describe_model(model: str, *, revision: str | None = None) -> ModelDescription:
    """Read what a model says of itself; of a hub id, two small files are downloaded at most."""
    if model.startswith((*FILELESS, TORCHVISION)) or Path(model).expanduser().is_file():
        return ModelDescription(name=model)
    config = fetch_json(model, "config.json", revision=revision)
    has_modules = fetch_json(model, "modules.json", revision=revision) is not None
    return ModelDescription(name=model, config=config if isinstance(config, dict) else {}, has_modules=has_modules)
