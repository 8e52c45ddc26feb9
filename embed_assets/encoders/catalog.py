"""Catalog: the families in `families/`, and the encoders that they declare."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType

from embed_assets.encoders import families as package
from embed_assets.encoders.family_type import Family
from embed_assets.encoders.spec import EncoderSpec


@cache
def builtin_families() -> Mapping[str, Family]:
    """Return the families that come with this package, by name."""
    return {module.FAMILY.name: module.FAMILY for module in _modules()}


@cache
def builtin_specs() -> Mapping[str, EncoderSpec]:
    """Return the encoders that come with this package, by name."""
    return {spec.name: spec for module in _modules() for spec in getattr(module, "ENCODERS", ())}


def _modules() -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{module.name}")
