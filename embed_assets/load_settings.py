"""Load settings: from YAML, with EMBED_ASSETS_* variables over them, and a line for each mistake."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from embed_assets.errors import SettingsError
from embed_assets.media.uris.allowed_prefixes import is_path
from embed_assets.settings import PipelineSettings, Section, WrittenIn


def load_settings(path: str | Path) -> PipelineSettings:
    """Load settings from a YAML file; `EMBED_ASSETS_COMPUTE__DEVICE=cpu` overrides `compute.device`.

    Relative paths of sources, query sets, model folders and the store are taken from the file's folder.
    Raises SettingsError naming file and key.
    """
    path = Path(path)
    if not path.is_file():
        raise SettingsError(f"Settings file {str(path)!r} does not exist. Write one, or name another.")
    values, lines = _parsed(path)
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected keys and values at the top, found {type(values).__name__}.")
    settings = make_settings(overridden(values, folder=path.resolve().parent), origin=str(path))
    return settings.with_file(WrittenIn(str(path.resolve()), lines))


def _parsed(path: Path) -> tuple[Any, dict[str, int]]:
    """Return the values of a YAML file, and the lines of its sections."""
    import yaml

    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        try:
            node = loader.get_single_node()
            lines = _lines(node)
            return (loader.construct_document(node) if node else None) or {}, lines
        finally:
            loader.dispose()
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8: {error}. Save it as UTF-8.") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: not valid YAML: nested too deep") from error
    except Exception as error:  # ValueError and others, of values that YAML has types for: dates, keys, tags
        raise SettingsError(f"{path}: not valid YAML: {str(error)[:1000]}") from error


def _lines(node: Any) -> dict[str, int]:
    """Return the line of each source, encoder, space, saved query and sink: "sources.NAME" → line, from 1."""
    sections = dict(_entries(node))
    return {
        f"{section}.{key}": line
        for section in ("sources", "encoders", "spaces", "saved_queries", "sinks")
        for key, (line, _) in _entries(sections[section][1] if section in sections else None)
    }


def _entries(node: Any) -> Iterator[tuple[str, tuple[int, Any]]]:
    """Yield what a mapping of the YAML file holds: key, its line, and its value; nothing of what is no mapping."""
    for entry in node.value if node is not None and node.id == "mapping" else ():
        key, value = entry
        if isinstance(key.value, str):
            yield key.value, (key.start_mark.line + 1, value)


def overridden(values: Mapping[str, Any], *, folder: Path) -> dict[str, Any]:
    """Lay EMBED_ASSETS_* variables over `values`, and make relative paths absolute from `folder`."""
    return absolute_paths(_deep_update(values, _from_environment()), folder)


def make_settings(values: Mapping[str, Any], *, origin: str = "settings") -> PipelineSettings:
    """Validate settings.

    Raises SettingsError with a line per mistake: key, finding, nearest valid key.
    """
    try:
        return PipelineSettings.model_validate(values)
    except ValidationError as error:
        lines = [f"{origin}: {_explain(problem)}" for problem in error.errors()]
        raise SettingsError("\n".join(lines)) from error


def _from_environment() -> dict[str, Any]:
    """Read the values that EMBED_ASSETS_* variables set; a double underscore goes one level down.

    Read by pydantic-settings' own source (https://docs.pydantic.dev/latest/concepts/pydantic_settings/).
    """
    import pydantic_settings
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

    class Variables(PipelineSettings, BaseSettings):
        model_config = SettingsConfigDict(env_prefix="EMBED_ASSETS_", env_nested_delimiter="__", extra="ignore")

    try:
        return EnvSettingsSource(Variables)()
    except (pydantic_settings.SettingsError, RecursionError) as error:  # the cause says what is wrong with the JSON
        raise SettingsError(f"Variables EMBED_ASSETS_*: {error} ({error.__cause__}). Write it as JSON.") from error


def _deep_update(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _deep_update(old, value) if nested else value  # pyright: ignore[reportArgumentType]
    return merged


def absolute_paths(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make relative local paths absolute from the settings file's folder."""
    if isinstance(values.get("store"), str):
        values["store"] = _from(folder, values["store"])
    for source in _sections(values, "sources"):
        if isinstance(source.get("uri"), str):
            source["uri"] = _from(folder, source["uri"])
        table = source.get("table")
        if isinstance(table, dict) and isinstance(table.get("allow"), list):
            table["allow"] = [_from(folder, each) if is_path(each) else each for each in table["allow"]]
    for space in _sections(values, "spaces"):
        if isinstance(space.get("queries"), str) and not space["queries"].startswith("embedded:"):
            space["queries"] = _from(folder, space["queries"])
        for name in ("query_files", "query_log"):
            if isinstance(space.get(name), str):
                space[name] = _from(folder, space[name])
    for query in _sections(values, "saved_queries"):
        if isinstance(query.get("file"), str):
            query["file"] = _from(folder, query["file"])
    for sink in _sections(values, "sinks"):
        if isinstance(sink.get("uri"), str):
            sink["uri"] = _from(folder, sink["uri"])
    serve = values.get("serve")
    for key in _sections(serve, "api_keys") if isinstance(serve, dict) else ():
        if isinstance(key.get("key_file"), str):
            key["key_file"] = _from(folder, key["key_file"])
    for encoder in _sections(values, "encoders"):
        model = encoder.get("model")
        if isinstance(model, str) and model.startswith((".", "~")):
            encoder["model"] = _from(folder, model)
    return values


def _sections(values: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    named = values.get(key)
    return [section for section in named.values() if isinstance(section, dict)] if isinstance(named, dict) else []


def _from(folder: Path, path: str) -> str:
    if "://" in path:
        return path
    try:
        return str((folder / Path(path).expanduser()).resolve())
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(f"{path[:200]!r} is no path: {error}. Correct it.") from error


def _explain(problem: Any) -> str:
    """Describe one pydantic error: key, finding, way out."""
    location = ".".join(str(part) for part in problem["loc"])
    return f"{location}: {describe_error(problem)}" if location else describe_error(problem)


def describe_error(problem: Any) -> str:
    """Describe one pydantic error of the settings without its key; name the nearest valid key."""
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(known)}."
        return f"unknown key.{hint}"
    if problem["type"] == "missing":
        return "missing. Add it."
    return problem["msg"].removeprefix("Value error, ")


def _keys_at(location: Sequence[Any]) -> list[str]:
    """List the keys of the section at `location`."""
    here: Any = PipelineSettings
    for part in location:
        if get_origin(here) is dict:
            here = get_args(here)[1]
        elif _is_section(here) and part in here.model_fields:
            here = here.model_fields[part].annotation
    return sorted(here.model_fields) if _is_section(here) else []


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
