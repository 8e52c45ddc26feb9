"""Loading: encoder versions made from settings, and loaded again from what the store recorded of them."""

import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from embed_assets.embedding.sources import sampling_of
from embed_assets.encoders.base import Encoder
from embed_assets.encoders.catalog_sound_video import FRAMES, SOUND_VIDEO_DEFAULTS
from embed_assets.encoders.device import resolve_device
from embed_assets.encoders.identity import EncoderIdentity, difference, identify
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.encoders.weights import BUILTIN, ResolvedModel, resolve_model
from embed_assets.errors import EncoderVersionError, SettingsError
from embed_assets.media.limits import Limits
from embed_assets.media.segments import Segmenting
from embed_assets.settings import ComputeSettings, EncoderSettings
from embed_assets.store.versions import VersionRecord

EMBEDDED = "embedded:"
_LIBRARIES = ("torch", "torchvision", "transformers", "sentence-transformers", "tokenizers", "lancedb")
_WARM = 4  # models kept loaded in a process; the one used longest ago goes first

_warm: dict[tuple[str, str, str], Encoder] = {}
_lock = threading.Lock()


def spec_of(name: str, settings: EncoderSettings) -> EncoderSpec:
    """The spec that an encoder's settings mean. Raises UnknownEncoderError, WeightsError, MissingExtraError."""
    chosen: dict[str, Any] = {
        "revision": settings.revision,
        "dim": settings.dim,
        "unit_length": settings.unit_length,
        "truncate_dim": settings.truncate_dim,
        "query_prompt": settings.query_prompt,
        "document_prompt": settings.document_prompt,
        "space": settings.space,
        "media": tuple(settings.media) if settings.media else None,
        "pooling": settings.pooling,
        "window_seconds": settings.window_seconds,
        "hop_seconds": settings.hop_seconds,
        "frames": settings.frames,
    }
    chosen = {key: value for key, value in chosen.items() if value is not None}
    spec = spec_for(_local(settings.model), name=name, **{**_embedded_facts(settings.model), **chosen})
    spec = replace(spec, options={**spec.options, **settings.options})
    if settings.model.startswith(EMBEDDED):  # the folder behind it is another on every machine
        spec = replace(spec, model=settings.model)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", spec.space):
        raise SettingsError(
            f"encoders.{name}.space: {spec.space!r} is not a name of small letters, digits and underscores. "
            f"Set encoders.{name}.space to one."
        )
    wrong = [kind for kind in spec.media if kind not in spec.modalities]
    if wrong:
        raise SettingsError(
            f"encoders.{name}.media: {settings.model} can't encode {wrong[0]}; it encodes {', '.join(spec.modalities)}."
        )
    return spec


def make_version(
    name: str,
    settings: EncoderSettings,
    *,
    compute: ComputeSettings,
    segmenting: Segmenting,
    limits: Limits,
    vector_dtype: str,
) -> VersionRecord:
    """Resolve an encoder's files and identity; loads the model only where its files are not known yet."""
    spec = spec_of(name, settings)
    resolved = resolve_model(_located(spec), offline=compute.offline)
    identity = _identity(spec, resolved, compute)
    cut = {"segment": segmenting.identity() if "text" in spec.media else {}, "decode": limits.identity()}
    if sampling := sampling_of(spec, by_scene=settings.by_scene):
        cut["sampling"] = sampling.identity()
    cut["stored"] = {"dtype": vector_dtype}
    return VersionRecord(
        encoder=name,
        version=identity.version(cut),
        dim=identity.dim,
        parts=dict(identity.parts),
        segmenting=cut,
        spec=spec,
        dtype=compute.dtype,
        vector_dtype=vector_dtype,
        revision=resolved.revision,
        libraries={library: found for library in _LIBRARIES if (found := _installed(library))},
    )


def load_version(record: VersionRecord, *, compute: ComputeSettings) -> Encoder:
    """The encoder of this very version, warm where this process has it already.

    Raises EncoderVersionError where the model's files now make another version: vectors of two
    versions may not meet, neither in a table nor between a query and a table.
    """
    spec = replace(record.spec, revision=record.revision or record.spec.revision)
    resolved = resolve_model(_located(spec), offline=compute.offline)
    compute = compute.model_copy(update={"dtype": record.dtype})
    identity = _identity(spec, resolved, compute)
    found = identity.version(record.segmenting)
    if found != record.version:
        changes = "; ".join(difference(record.parts, identity.parts)) or "how media is cut"
        raise EncoderVersionError(
            f"Encoder {record.encoder!r} is version {found} now; these vectors are of version {record.version} "
            f"({changes}). Restore the model's files, or run the pipeline to embed with the new version."
        )
    return _load(spec, resolved, compute)


def _identity(spec: EncoderSpec, resolved: ResolvedModel, compute: ComputeSettings) -> EncoderIdentity:
    return identify(
        _located(spec),
        device=compute.device,
        dtype=compute.dtype,
        resolved=resolved,
        load=lambda: _load(spec, resolved, compute),
    )


def _load(spec: EncoderSpec, resolved: ResolvedModel, compute: ComputeSettings) -> Encoder:
    builtin = spec.model.startswith(BUILTIN)  # numpy alone: nothing to ask torch for
    device = "cpu" if builtin else resolve_device(compute.device)
    key = (repr((spec, resolved.files)), device, compute.dtype)
    with _lock:
        if key not in _warm:
            while len(_warm) >= _WARM:
                _warm.pop(next(iter(_warm)))
            encoder = load_encoder(_located(spec), resolved=resolved, device=device, dtype=compute.dtype)
            _warm[key] = encoder
        _warm[key] = _warm.pop(key)  # the latest used is last
        return _warm[key]


def _located(spec: EncoderSpec) -> EncoderSpec:
    return replace(spec, model=_local(spec.model))


def _local(model: str) -> str:
    """The folder behind embedded:NAME; any other model as it is."""
    if not model.startswith(EMBEDDED):
        return model
    from embed_assets.demo import encoders as embedded

    folders: Mapping[str, Any] = {
        "minilm": embedded.minilm_folder,
        "clip": embedded.clip_folder,
        "clip-frames": embedded.clip_folder,
    }
    name = model.removeprefix(EMBEDDED)
    if name not in folders:
        raise SettingsError(f"Model {model!r}: the embedded models are {', '.join(f'embedded:{n}' for n in folders)}.")
    return str(folders[name]())


def _embedded_facts(model: str) -> dict[str, Any]:
    """What an embedded model's files do not tell: that its frames' vectors are one video's."""
    if model != f"{EMBEDDED}clip-frames":
        return {}
    facts = dict(SOUND_VIDEO_DEFAULTS[FRAMES])
    return {**facts, "family": FRAMES, "modalities": ("video", "image", "text"), "space": "video_text"}


def _installed(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
