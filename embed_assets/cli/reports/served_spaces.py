"""Served spaces: those that a report is about: the named ones, or all that serve."""

from collections.abc import Sequence

from embed_assets.errors import StoreError
from embed_assets.pipeline.steps import Steps


def served_spaces(steps: Steps, named: Sequence[str]) -> list[str]:
    """Return the spaces. Raises StoreError where none serves yet."""
    serving = [pointer.space for pointer in steps.store.serving.pointers() if pointer.live is not None]
    if not named and not serving:
        raise StoreError(f"No space of store {steps.store.uri!r} serves yet: run the pipeline first.")
    return list(dict.fromkeys(named)) or serving
