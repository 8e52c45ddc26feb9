"""The pipeline as a component: `dg scaffold defs embed_assets.component.EmbeddingPipeline NAME`.

Every `dg` project of an environment imports this module: it loads Dagster and the settings, nothing else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, ValidationError

from embed_assets.assets.component.yaml_with_templates import component_model, is_template
from embed_assets.errors import SettingsError
from embed_assets.load_settings import absolute_paths, describe_error, make_settings
from embed_assets.settings import PipelineSettings


class PipelineScaffolder(dg.Scaffolder):
    """Writes a commented defs.yaml (or component.py) that runs as it is, and a folder of media beside it."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the files of one component; no existing file is overwritten but the requested one."""
        from embed_assets.assets.component.scaffold import write_component

        write_component(
            request.target_path, kind=request.type_name, form=request.scaffold_format, append=request.append
        )


@dg.scaffold_with(PipelineScaffolder)
class EmbeddingPipeline(PipelineSettings, dg.Component, dg.Resolvable):
    """Media in folders or buckets, embedded, indexed and checked in LanceDB, kept fresh.

    The attributes are the keys of a pipeline.yaml; relative paths are taken from the folder of the defs.yaml, and
    `{{ env.X }}` may stand for any value. Two pipelines of one project need different `key_prefix`es and stores.
    The jobs run in process, so that a model is loaded once a run. For runs of assets outside of them set
    `executor=dg.in_process_executor` in the project's own definitions: a location has one executor.
    """

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Return the component's entry in `dg list components`."""
        return dg.ComponentTypeSpec(
            tags=["embeddings", "lancedb", "multimodal", "vector-search"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    @classmethod
    def model(cls) -> type[BaseModel]:
        """Return the model of the attributes: the settings, where a template may stand for a value."""
        return component_model()

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "EmbeddingPipeline":
        """Load the component of a defs.yaml. Raises SettingsError, one line per mistake."""
        if attributes is None:
            raise SettingsError(f"{context.path}: attributes: missing. Name a store, sources and encoders.")
        return super().load(attributes, context)

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> "EmbeddingPipeline":
        """Build the component from its attributes, with templates rendered."""
        values = _rendered(model.model_dump(exclude_unset=True, warnings=False), context)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError("\n".join(_describe(problem, context) for problem in error.errors())) from error

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build assets, checks, jobs, schedules, sensors and resources; loads no model and opens no store."""
        from embed_assets.assets.pipeline import build_definitions

        values = absolute_paths(self.model_dump(exclude_unset=True), folder=_folder(context))
        return build_definitions(make_settings(values, origin=str(_folder(context))))


def _rendered(values: Any, context: dg.ResolutionContext) -> Any:
    """Render the templates in `values`, and leave all other text as it is: a revision of digits stays text."""
    if isinstance(values, Mapping):
        return {key: _rendered(value, context.at_path(key)) for key, value in values.items()}
    if isinstance(values, list):
        return [_rendered(value, context.at_path(place)) for place, value in enumerate(values)]
    return context.resolve_value(values) if is_template(values) else values


def _folder(context: dg.ComponentLoadContext) -> Path:
    """Return the folder of the defs.yaml, or of the component.py."""
    path = context.path
    return path.parent if path.is_file() else path


def _describe(problem: Any, context: dg.ResolutionContext) -> str:
    """Describe a mistake with file and line; mistakes in templates only show when they are rendered."""
    path = [*context.path, *problem["loc"]]
    tree = context.source_position_tree
    place = f"{tree.lookup_closest_and_path(path, None)[0]}: " if tree else ""
    return f"{place}{'.'.join(map(str, path))}: {describe_error(problem)}"
