"""The pipeline by a decorator, in the form of Dagster's integrations: the host's function runs each step of it."""

from collections.abc import Callable

import dagster as dg

from embed_assets.assets.host.step_hooks import Execute
from embed_assets.assets.host.translator import EmbeddingTranslator
from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.resources import EncoderResource, StoreResource
from embed_assets.settings import PipelineSettings


def embedding_assets(
    settings: PipelineSettings,
    *,
    encoders: EncoderResource | None = None,
    store: StoreResource | None = None,
    translator: EmbeddingTranslator | None = None,
) -> Callable[[Execute], dg.Definitions]:
    """Make a function of context and step the one that runs every step, and build the pipeline's definitions with it.

    The function is called with the step's `kind` and `name`, and does what it wants before, after or instead of
    `step.run()`; it returns what that returns, or yields from `step.stream()` among events of its own. What it puts in
    the place of a step has to leave the store as the next steps need it.

    It is `build_definitions` with `execute`: the function's name becomes the definitions, since partitions, checks,
    jobs and resources come with the assets.
    """

    def decorate(execute: Execute) -> dg.Definitions:
        return build_definitions(settings, encoders=encoders, store=store, translator=translator, execute=execute)

    return decorate
