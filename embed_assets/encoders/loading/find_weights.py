"""Weights: from a model's name or folder to the files on this machine that are safe to load."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from embed_assets.encoders.loading.check_files import (
    check_model_folder,
    check_regular,
    check_safetensors,
    read_config,
    read_json,
)
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import WeightsError, in_one_line

# What is fetched of a hub repository. Never *.bin or *.pt (pickle: loading runs code) and never *.py.
ALLOWED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
IGNORED = ("onnx/*", "openvino/*", "flax/*", "tf/*")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TORCHVISION = "torchvision/"
BUILTIN = "builtin/"  # models that are code alone: no weights, no files
API = "api:"  # models on a server: no files here
FILELESS = (BUILTIN, API)

# torchvision's own file names carry the first digits of their sha256. They stand here because the
# library imports torch to name them; a test compares them with torchvision's.
PUBLISHED = {
    ("resnet18", "IMAGENET1K_V1"): "resnet18-f37072fd.pth",
    ("resnet34", "IMAGENET1K_V1"): "resnet34-b627a593.pth",
    ("resnet50", "IMAGENET1K_V1"): "resnet50-0676ba61.pth",
    ("resnet50", "IMAGENET1K_V2"): "resnet50-11ad3fa6.pth",
    ("resnet101", "IMAGENET1K_V1"): "resnet101-63fe2227.pth",
    ("resnet101", "IMAGENET1K_V2"): "resnet101-cd907fc2.pth",
    ("resnet152", "IMAGENET1K_V1"): "resnet152-394f9c45.pth",
    ("resnet152", "IMAGENET1K_V2"): "resnet152-f82ba261.pth",
    ("vgg16", "IMAGENET1K_V1"): "vgg16-397923af.pth",
    ("inception_v3", "IMAGENET1K_V1"): "inception_v3_google-0cc3c7bd.pth",
    ("mobilenet_v2", "IMAGENET1K_V1"): "mobilenet_v2-b0353104.pth",
    ("mobilenet_v2", "IMAGENET1K_V2"): "mobilenet_v2-7ebf99e0.pth",
    ("squeezenet1_1", "IMAGENET1K_V1"): "squeezenet1_1-b8a52dc0.pth",
}


def default_weights(architecture: str) -> str:
    """Return the better of the weights that torchvision publishes for an architecture."""
    return "IMAGENET1K_V2" if (architecture, "IMAGENET1K_V2") in PUBLISHED else "IMAGENET1K_V1"


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """A model's files on this machine. `path` is a folder, or a single file of weights.

    `files` are those that can change a vector: (relative name, absolute path, size, mtime_ns);
    none for a builtin model or one on a server, whose path is its name.
    """

    path: Path
    revision: str | None  # the commit of a hub id; None for a folder or a file
    files: tuple[tuple[str, str, int, int], ...]


def resolve_model(spec: EncoderSpec, *, offline: bool = False) -> ResolvedModel:
    """Find the files of the spec's model: a local folder or file as it is, else from the hub or torchvision.

    Raises WeightsError if there are none, or one of them is damaged or can't be read.
    """
    if spec.model.startswith(FILELESS):
        return ResolvedModel(path=Path(spec.model), revision=None, files=())
    try:
        return _resolve(spec, offline=offline)
    except OSError as error:  # its text names the file
        raise WeightsError(f"Encoder {spec.name!r}: its model can't be read: {in_one_line(error)}") from error


def _resolve(spec: EncoderSpec, *, offline: bool) -> ResolvedModel:
    local = Path(spec.model).expanduser()
    if local.exists():
        return _resolved(local.absolute(), revision=None)
    if spec.model.startswith(TORCHVISION):
        return _resolved(_torchvision_file(spec, offline=offline), revision=None)
    if not is_hub_id(spec.model):
        raise WeightsError(f"Encoder {spec.name!r}: there is no folder or file {spec.model!r}.")
    folder = _snapshot(spec.model, spec.revision, offline=offline)
    commit = folder.name if re.fullmatch(r"[0-9a-f]{40}", folder.name) else spec.revision
    return _resolved(folder, revision=commit)


def is_hub_id(model: str) -> bool:
    """Whether the text can be a hub id ("name" or "organisation/name") rather than a path."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", model) is not None


def fetch_json(model: str, name: str, *, revision: str | None = None) -> object | None:
    """Read one small JSON file of a local folder or of a hub id; None if the model has no such file."""
    local = Path(model).expanduser()
    if local.is_dir():
        return _local_json(local / name)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    try:
        return read_json(Path(hf_hub_download(model, name, revision=revision)))
    except WeightsError:
        raise
    except RemoteEntryNotFoundError:
        return None
    except LocalEntryNotFoundError as error:
        from huggingface_hub import snapshot_download

        # Offline the hub has one error for "not in the repository" and "not downloaded"; a snapshot has two.
        try:
            snapshot_download(model, revision=revision, local_files_only=True)
        except Exception:
            raise _unreachable(model, revision, error) from error
        return None
    except Exception as error:  # the client raises its own, httpx's and OSError
        raise _unreachable(model, revision, error) from error


def _local_json(file: Path) -> object | None:
    try:
        return read_json(file) if file.is_file() else None
    except OSError as error:
        raise WeightsError(f"{file} can't be read: {error.strerror}. Give this user access to it.") from error


def verify_published(file: Path) -> None:
    """Compare a torchvision file's bytes with the sha256 digits in its name."""
    published = re.search(r"-([0-9a-f]{8,64})\.pth$", file.name)
    if published is None:
        raise WeightsError(
            f"{file.name} is a pickle without a published hash in its name, so it can't be trusted. "
            "Keep torchvision's file name (resnet50-11ad3fa6.pth), or save the weights as .safetensors."
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(published[1]):
        raise WeightsError(
            f"{file.name}: its sha256 begins with {digest[: len(published[1])]}, its name has {published[1]}. "
            "Delete the file and download it again."
        )


def _snapshot(model: str, revision: str | None, *, offline: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            model,
            revision=revision,
            local_files_only=offline,
            allow_patterns=list(ALLOWED),
            ignore_patterns=list(IGNORED),
        )
    except Exception as error:  # the client raises its own, httpx's and OSError
        raise _unreachable(model, revision, error) from error
    return Path(folder)


def _unreachable(model: str, revision: str | None, error: Exception) -> WeightsError:
    at = f" at revision {revision}" if revision else ""
    return WeightsError(
        f"Can't get model {model!r}{at} ({type(error).__name__}). Check its name and the network; a private model "
        "needs a token; HF_HUB_OFFLINE=1 and compute.offline allow downloaded models only. Without a network: "
        "embed-assets run MEDIA --offline takes the small embedded models, and `model` may be a local folder."
    )


def _torchvision_file(spec: EncoderSpec, *, offline: bool) -> Path:
    architecture = spec.model.removeprefix(TORCHVISION)
    weights = str(spec.options.get("weights") or default_weights(architecture))
    if (architecture, weights) not in PUBLISHED:
        known = ", ".join(f"{name} {kind}" for name, kind in PUBLISHED)
        raise WeightsError(f"torchvision publishes no {architecture} {weights}. Known: {known}.")
    file = _torch_hub() / PUBLISHED[architecture, weights]
    if file.is_file():
        return file
    if offline:
        raise WeightsError(
            f"{file.name} is not in torch's cache and downloads are off. Put it there (TORCH_HOME moves "
            "the cache), or set `model` to a local .safetensors file."
        )
    _download(architecture, weights, file)
    return file


def _download(architecture: str, weights: str, file: Path) -> None:
    import torch
    import torchvision

    url = torchvision.models.get_model_weights(architecture)[weights].url
    try:
        torch.hub.load_state_dict_from_url(
            url,
            model_dir=str(file.parent),
            map_location="cpu",
            progress=False,
            check_hash=True,
            weights_only=True,
        )
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"Can't download {file.name} ({type(error).__name__}: {error}). Check the network, put the file "
            "into torch's cache (TORCH_HOME moves it), or set `model` to a local .safetensors file."
        ) from error


def _torch_hub() -> Path:
    """Return torch.hub.get_dir()/checkpoints without importing torch."""
    home = os.environ.get("TORCH_HOME")
    if not home:
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser().absolute() / "hub" / "checkpoints"


def _resolved(path: Path, *, revision: str | None) -> ResolvedModel:
    if path.is_file():
        if path.suffix == ".safetensors":
            check_safetensors(path)
        files = [path]
    else:
        _check_folder(path)
        files = sorted({file for pattern in ALLOWED for file in path.rglob(pattern) if file.is_file()})
    root = path.parent if path.is_file() else path
    return ResolvedModel(path=path, revision=revision, files=tuple(_stat(file, root) for file in files))


def _stat(file: Path, root: Path) -> tuple[str, str, int, int]:
    stat = file.stat()
    return file.relative_to(root).as_posix(), str(file), stat.st_size, stat.st_mtime_ns


def _check_folder(folder: Path) -> None:
    next(folder.iterdir(), None)  # raises if it may not be read: a pattern then matches nothing
    if next(folder.rglob("*.safetensors"), None) is None:
        pickle = next((file for pattern in PICKLES for file in folder.rglob(pattern)), None)
        if pickle is None:
            raise WeightsError(
                f"{folder} has no weights: no file of it is a .safetensors. A copy without its subfolders? Get the "
                "whole folder again."
            )
        raise WeightsError(
            f"{folder} has only {pickle.name}, a pickle, which can run code; only safetensors are loaded. "
            "If you trust the source, convert it once: "
            "transformers.AutoModel.from_pretrained(folder).save_pretrained(new_folder) writes safetensors."
        )
    if (folder / "adapter_config.json").is_file():
        raise WeightsError(
            f"{folder} is an adapter (PEFT), not a whole model. Merge it once: "
            "merge_and_unload(), then save_pretrained(new_folder)."
        )
    for pattern in ALLOWED:
        for file in folder.rglob(pattern):
            check_regular(file)
    check_model_folder(folder)
    for index in folder.rglob("*.safetensors.index.json"):
        shards = read_config(index).get("weight_map")
        if not isinstance(shards, dict):
            raise WeightsError(f"{index} has no weight_map, which names the shards. Get it again.")
        absent = sorted(str(shard) for shard in set(shards.values()) if not (index.parent / str(shard)).is_file())
        if absent:
            raise WeightsError(f"{folder} lacks {len(absent)} of its shards ({absent[0]}): download it again.")
