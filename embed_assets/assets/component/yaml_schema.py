"""The JSON schema of the component's YAML: what `dg check yaml` refuses, editors complete, `dg utils` prints.

It is the settings' own, with templates in place of values. Each mistake breaks one rule of it, at the line of the
mistake, since `dg check yaml` prints what a rule says and no more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from embed_assets.settings import PipelineSettings

_TEMPLATE = {"type": "string", "pattern": r"\{\{"}
_ABOUT = ("title", "description", "default", "examples")
# Attributes of an asset that a project may change; the others belong to the pipeline.
TRANSLATED = (
    "key", "key_prefix", "group_name", "description", "owners", "tags", "kinds", "metadata", "deps",
    "automation_condition", "freshness_policy", "code_version",
)  # fmt: skip
_SHORTEST = 3  # letters that a misspelt key shares with the right one, at its beginning or end


def component_schema() -> dict[str, Any]:
    """Build the schema: sections in `$defs`, then the types of values that a template may stand for."""
    settings = PipelineSettings.model_json_schema()
    settings["properties"]["translation"] = {"$ref": "#/$defs/Translation"}
    types: dict[str, Any] = {}
    sections = {name: _section(section, types) for name, section in settings.pop("$defs").items()}
    sections["Translation"] = _translation()
    whole = _section(settings, types)
    return whole | {"examples": settings["examples"], "$defs": sections | dict(sorted(types.items()))}


def _translation() -> dict[str, Any]:
    return {
        "description": "How the assets look in this project, as in Dagster's own integrations: attributes of an asset, "
        "in templates of `kind` (manifest, encoder, vectors, index, serving), `name` (of the source, encoder or "
        "space) and `spec`.",
        "type": "object",
        "properties": {key: {} for key in TRANSLATED},
        "additionalProperties": {"const": f"one of the keys {', '.join(TRANSLATED)}"},
        "examples": [{"group_name": "search", "key_prefix": "ml", "tags": {"modality": "{{ name }}"}}],
    }


def _section(section: Mapping[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    keys = list(section["properties"])
    return {
        "description": section["description"],
        "type": "object",
        **({"required": section["required"]} if "required" in section else {}),
        "properties": {key: _value(value, types) for key, value in section["properties"].items()},
        # `dg check yaml` prints "… was expected" at the line of the key
        "patternProperties": {pattern: {"const": f"the key {key}"} for key, pattern in _misspelt(keys).items()},
        "additionalProperties": {"const": f"one of the keys {', '.join(keys)}"},
    }


def _value(value: Mapping[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    """Allow a template in place of a value; sections and mappings of sections have to be written out."""
    about = {name: value[name] for name in _ABOUT[1:] if isinstance(value.get(name), (str, int, float))}
    if not about.get("default") and "examples" in value:
        about["examples"] = value["examples"][:1]
    forms = value.get("anyOf") or [{name: rule for name, rule in value.items() if name not in _ABOUT}]
    rules = {name: rule for form in forms for name, rule in form.items() if name != "type"}
    rules.pop("additionalProperties", None)  # only ever `true`
    if "$ref" in rules:
        return {**rules, **about}
    if "patternProperties" in rules:  # sections by name
        wrong_name = {"const": "a name of a to z, 0 to 9 and _ that begins with a letter"}
        return {"type": "object", **rules, "additionalProperties": wrong_name, **about}
    kinds = [form["type"] for form in forms]
    if "items" in rules:
        rules["items"] = _value(rules["items"], types)
    if "enum" in rules:
        allowed = [*rules["enum"], *([None] if "null" in kinds else [])]
        return {"if": _TEMPLATE, "else": {"enum": allowed}, **about}
    of_kind = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if "string" in kinds:  # a template is text, too
        if "pattern" in rules:
            rules["pattern"] = rf"{_TEMPLATE['pattern']}|{rules['pattern']}"
        return {**of_kind, **rules, **about}
    name = "Or".join([*(kind.capitalize() for kind in kinds), "Template"])
    # `if` and `else` say which type was expected, where `anyOf` says that nothing fits. Dagster's listings follow a
    # `$ref` and show the descriptions that they find there: this one is followed by who checks values alone.
    types[name] = {"if": _TEMPLATE, "else": of_kind}
    return {"$dynamicRef": f"#/$defs/{name}", **rules, **about}


def _misspelt(keys: Sequence[str]) -> dict[str, str]:
    """Return a pattern per key, of names that begin or end as that key alone does: key → pattern."""
    backwards = {key: key[::-1] for key in keys}
    ends = {key: _own(backwards[key], list(backwards.values()))[::-1] for key in keys}
    return {key: rf"^(?!{key}$)({_own(key, keys)}|.*{ends[key]}$)" for key in keys if len(key) > _SHORTEST}


def _own(key: str, keys: Sequence[str]) -> str:
    """Return the shortest beginning of `key` that no other of the keys has; all of it where there is none."""
    others = [other for other in keys if other != key]
    beginnings = (key[:length] for length in range(_SHORTEST, len(key)))
    return next((it for it in beginnings if not any(other.startswith(it) for other in others)), key)
