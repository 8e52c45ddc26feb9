"""The settings as a component's YAML has them: the same keys, and templates in place of values.

Derived from the settings model, so that a key is declared once.
"""

from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails, core_schema

from embed_assets.assets.component.yaml_schema import component_schema
from embed_assets.load_settings import describe_error
from embed_assets.settings import PipelineSettings, Section

_PLAIN = (int, float, str, bool, NoneType)


@cache
def component_model() -> type[BaseModel]:
    """Build the component's model: PipelineSettings, where `{{ … }}` may stand for a value.

    Its errors say what was expected and the nearest right key, at the place of the mistake.
    """
    validators: dict[str, Any] = {"_readable_errors": model_validator(mode="wrap")(_readable_errors)}
    bases = (_OwnSchema, _section_model(PipelineSettings))
    doc = PipelineSettings.__doc__
    translation: Any = (dict[str, Any] | None, None)  # its templates are rendered for each asset
    return create_model(
        "EmbeddingPipeline", __base__=bases, __doc__=doc, __validators__=validators, translation=translation
    )


class _OwnSchema(BaseModel):
    """A model whose JSON schema is that of the component."""

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema for `dg check yaml`, editors and `dg utils inspect-component`."""
        return component_schema()


def is_template(value: Any) -> bool:
    """Return whether a value is text that Dagster renders: `{{ env.STORE }}`."""
    return isinstance(value, str) and "{{" in value


class _OrTemplate:
    """Annotation that lets text with a template through, and validates everything else as before."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(_allow_template, handler(source))


def _allow_template(value: Any, validated: Any) -> Any:
    return value if is_template(value) else validated(value)


@cache
def _section_model(section: type[Section]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        about: dict[str, Any] = {"description": field.description, "examples": field.examples}
        if not field.is_required():  # what is not written is left to the settings themselves
            shown = isinstance(field.default, _PLAIN) and field.default_factory is None
            about |= {"default": field.default} if shown else {"default_factory": NoneType}
        fields[name] = (_templated(kind), Field(**about))
    config = ConfigDict(extra="forbid")
    return create_model(section.__name__, __config__=config, __doc__=section.__doc__, **fields)


def _templated(kind: Any) -> Any:
    """Allow a template in place of `kind`."""
    written = _resolve(kind)
    return written if written in (str, Any) or _has_sections(written) else Annotated[written, _OrTemplate()]


def _has_sections(written: Any) -> bool:
    """Return whether `kind` is a section, or a mapping of sections, whose keys are checked."""
    if get_origin(written) in (Annotated, dict):
        return any(_has_sections(inner) for inner in get_args(written))
    return isinstance(written, type) and issubclass(written, BaseModel)


def _resolve(kind: Any) -> Any:
    """Allow templates inside `kind`."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return _section_model(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Annotated[(_resolve(inner[0]), *inner[1:])]
    if origin is dict:
        return dict[inner[0], _templated(inner[1])]
    return list[_templated(inner[0])] if origin is list else kind


def _readable_errors(cls: type[BaseModel], values: Any, validated: Any) -> Any:
    try:
        return validated(values)
    except ValidationError as error:
        problems = [
            # Of a type of pydantic's own: Dagster builds the error again, with file and line.
            InitErrorDetails(
                type="value_error", loc=problem["loc"], input=problem["input"], ctx={"error": describe_error(problem)}
            )
            for problem in error.errors()
        ]
        raise ValidationError.from_exception_data(error.title, problems) from None
