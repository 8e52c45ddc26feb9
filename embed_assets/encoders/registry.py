"""Registry: from a name, a hub id or a folder to a spec, and from a spec to a loaded encoder."""

import importlib
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.catalog import builtin_families, builtin_specs
from embed_assets.encoders.loading.device import resolve_device
from embed_assets.encoders.loading.find_weights import (
    API,
    ResolvedModel,
    is_hub_id,
    resolve_model,
)
from embed_assets.encoders.older_family_paths import family_name
from embed_assets.encoders.recognise_family import recognise_family
from embed_assets.encoders.runtimes.torch_threads import bounded_torch_threads
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import (
    EmbedAssetsError,
    EncoderOutputError,
    MissingExtraError,
    SettingsError,
    UnknownEncoderError,
    WeightsError,
    in_one_line,
)
from embed_assets.plugins import Plugins, find_plugins

ENTRY_POINTS = "embed_assets.encoders"

# transformers' names appear while it is imported, and from_pretrained patches torch for all threads meanwhile: two
# loads side by side find names missing. Reentrant: a family may load another family's encoder.
_one_load = threading.RLock()


def encoder_specs() -> dict[str, EncoderSpec]:
    """Return the builtin encoders and those of installed plugins; a plugin that can't be used is a warning."""
    return {**builtin_specs(), **encoder_plugins().good}


def encoder_plugins() -> Plugins[EncoderSpec]:
    """Load the entry points of `embed_assets.encoders`: an EncoderSpec each, or a list of them."""
    return find_plugins(ENTRY_POINTS, EncoderSpec, reserved_names=builtin_specs())


def spec_for(name_or_model: str, *, name: str | None = None, **overrides: Any) -> EncoderSpec:
    """Return the spec of a known encoder, or of any model that a family recognises.

    A hub id that is not on this machine has its two small config files downloaded, nothing more. Raises
    SettingsError if the plugin of that name is broken, with its fault as the cause.
    """
    plugins = encoder_plugins()
    specs = {**builtin_specs(), **plugins.good}
    if name_or_model in specs:
        spec = specs[name_or_model]
        return replace(spec, name=name or spec.name, **overrides)
    plugins.refuse_broken(name_or_model)
    model = name_or_model
    local = Path(model).expanduser().exists()
    looks_like_id = ("/" in model and is_hub_id(model)) or model.startswith(API)
    if not local and not looks_like_id:
        raise _unknown(model, "it is neither an encoder's name nor a folder nor a hub id", specs, plugins)
    own = overrides.pop("family", None)
    family = family_name(own) if own else recognise_family(model, revision=overrides.get("revision"))
    if family is None:
        raise _unknown(model, f"no family recognises it ({_recognised_models()})", specs)
    builtin = builtin_families().get(family)
    facts = {**(builtin.defaults if builtin else {}), "family": family, "model": model, **overrides}
    return EncoderSpec(name=name or _slug(model), **facts)


def load_encoder(
    spec: EncoderSpec,
    *,
    resolved: ResolvedModel | None = None,
    device: str = "auto",
    dtype: str = "float32",
    offline: bool = False,
) -> Encoder:
    """Load the spec's encoder on the device, one at a time in a process, and check the dim that the spec promises.

    Raises WeightsError where the model's files can't be read, EncoderOutputError where the dim is another.
    """
    place = resolved or resolve_model(spec, offline=offline)
    try:
        with _one_load, bounded_torch_threads():
            family = family_class(spec)
            encoder = family(spec, folder=place.path, device=resolve_device(device), dtype=dtype)
    except (EmbedAssetsError, ImportError):
        raise
    except Exception as error:  # of whatever parses the model's files
        if _is_machine_fault(error):
            raise
        detail = in_one_line(error) or "no details"
        raise WeightsError(
            f"Encoder {spec.name!r} can't be loaded from {place.path}: {type(error).__name__}: {detail}. Get the "
            "model's files again, or choose another model."
        ) from error
    promised = spec.truncate_dim or spec.dim
    if promised is not None and encoder.dim != promised:
        raise EncoderOutputError(
            f"Encoder {spec.name!r} gives vectors of dim {encoder.dim}; its spec has {promised}. "
            f"Set dim to {encoder.dim} in the spec, or correct its model ({spec.model})."
        )
    return encoder


def _is_machine_fault(error: Exception) -> bool:
    """Whether the machine is at fault rather than the model's files: memory, accelerator, disk."""
    words = str(error).lower()
    if isinstance(error, OSError):
        return error.errno is not None and not isinstance(error, FileNotFoundError)
    return isinstance(error, MemoryError) or "out of memory" in words or "cuda" in words


def family_class(spec: EncoderSpec) -> Any:
    """Return the class of the spec's family, built in or "module:Class"."""
    builtin = builtin_families().get(spec.family)
    if builtin is not None:
        return builtin.encoder
    module, _, name = spec.family.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a plugin's module may raise anything as it is imported
        if spec.extra is not None:
            raise MissingExtraError(f"Encoder {spec.name!r}", spec.extra) from error
        raise SettingsError(
            f"Encoder {spec.name!r}: its family {spec.family!r} can't be imported ({error}). "
            f'A family is one of {", ".join(builtin_families())}, or a class of yours, "package.module:Class".'
        ) from error


def _unknown(
    model: str, why: str, specs: dict[str, EncoderSpec], plugins: Plugins[EncoderSpec] | None = None
) -> UnknownEncoderError:
    error = UnknownEncoderError(model, specs)
    way_out = f"Families: {_recognised_models()}; for another, name its class in `family`."
    broken = plugins.broken if plugins else []
    perhaps = f" It may be of a plugin that is left out: {' '.join(each.message for each in broken)}" if broken else ""
    error.args = (f"{error} {model!r} can't be used: {why}. {way_out}{perhaps}",)
    return error


def _recognised_models() -> str:
    return ", ".join(family.models for family in builtin_families().values() if family.models)


def _slug(model: str) -> str:
    """Make a name for a model: the last part of its path, in characters that partition keys allow."""
    last = Path(model).name.removesuffix(".safetensors").removesuffix(".pth")
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "encoder"
