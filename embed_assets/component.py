"""The pipeline as a component: `dg scaffold defs embed_assets.component.EmbeddingPipeline NAME`.

Every `dg` project of an environment imports this module: it loads Dagster and the settings, nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.resolved.errors import ResolutionException
from pydantic import BaseModel, PrivateAttr, ValidationError

from embed_assets.assets.component.yaml_translation import Translation
from embed_assets.assets.component.yaml_with_templates import component_model, is_template
from embed_assets.assets.host.step_hooks import EmbeddingStep, StepContext
from embed_assets.assets.host.translator import EmbeddingAssetData, EmbeddingTranslator
from embed_assets.errors import EmbedAssetsError, SettingsError
from embed_assets.load_settings import absolute_paths, describe_error, make_settings
from embed_assets.settings import PipelineSettings, WrittenIn


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
    """

    _places: "_Places | None" = PrivateAttr(default=None)  # of a defs.yaml
    _translation: Translation | None = PrivateAttr(default=None)  # of a defs.yaml

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
        places = _Places(context)
        try:
            written = model.model_dump(exclude_unset=True, warnings=False)
            translation = written.pop("translation", None)
            made = cls.model_validate(_rendered(written, context))
            made._translation = Translation(translation, context) if translation else None
        except ResolutionException as error:  # of a template; it has file and line
            raise error.with_traceback(None) from None
        except ValidationError as error:
            raise SettingsError("\n".join(_describe(problem, places) for problem in error.errors())) from None
        made._places = places
        return made

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build assets, checks, jobs, schedules, sensors and resources; loads no model and opens no store.

        Raises SettingsError, one line per encoder whose model can't be used.
        """
        from embed_assets.assets.pipeline import build_definitions

        values = absolute_paths(self.model_dump(exclude_unset=True), folder=_folder(context))
        settings = make_settings(values, origin=str(_folder(context)))
        if self._places is None and context.path.is_file():  # of a defs.yaml Dagster itself keeps the place
            settings = settings.with_file(WrittenIn(str(context.path)))
        if wrong := list(self._wrong_models(settings, context)):
            raise SettingsError("\n".join(wrong))
        assets = {source: self._place(context, "sources", source, "asset") for source in settings.sources}
        return build_definitions(settings, written=assets, translator=_Translator(self), execute=self.execute)

    def get_asset_spec(self, data: EmbeddingAssetData) -> dg.AssetSpec:
        """Return the spec of an asset, by `translation:` of the YAML. Override it to map specs in Python."""
        return data.spec if self._translation is None else self._translation.get_asset_spec(data)

    def execute(self, context: StepContext, step: EmbeddingStep) -> Any:
        """Run a step of the pipeline and return what it returns. Override it for logic of your own around it."""
        return step.run()

    def _wrong_models(self, settings: PipelineSettings, context: dg.ComponentLoadContext) -> Iterator[str]:
        from embed_assets.versions.load_version import spec_of

        for name, encoder in settings.encoders.items():
            try:
                spec_of(name, encoder)
            except EmbedAssetsError as error:
                yield f"{self._place(context, 'encoders', name, 'model')}: {error}"

    def _place(self, context: dg.ComponentLoadContext, *path: str) -> str:
        """Return where a key is written: file, line and the key; of a component in Python the file."""
        if self._places is not None:
            return self._places.of(path)
        return f"{context.path}: {'.'.join(path)}"


class _Translator(EmbeddingTranslator):
    """The component's own method as a translator."""

    def __init__(self, component: EmbeddingPipeline) -> None:
        self._component = component

    def get_asset_spec(self, data: EmbeddingAssetData) -> dg.AssetSpec:
        """Return the spec of an asset."""
        return self._component.get_asset_spec(data)


class _Places:
    """Where the keys of a defs.yaml are written."""

    def __init__(self, context: dg.ResolutionContext) -> None:
        self._path, self._tree = context.path, context.source_position_tree

    def of(self, key: Sequence[str | int]) -> str:
        path = [*self._path, *key]
        place = f"{self._tree.lookup_closest_and_path(path, None)[0]}: " if self._tree else ""
        return f"{place}{'.'.join(map(str, path))}"


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


def _describe(problem: Any, places: _Places) -> str:
    """Describe a mistake with file and line; mistakes in templates only show when they are rendered."""
    return f"{places.of(problem['loc'])}: {describe_error(problem)}"
