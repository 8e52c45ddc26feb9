"""Identity: hashes of everything loaded that moves a vector, cached by the times of the files."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_assets.encoders.base import Encoder
from embed_assets.encoders.loading.find_weights import ResolvedModel
from embed_assets.encoders.spec import EncoderSpec

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # of the cache and of the parts; a higher one empties the cache
LIMIT = 256  # cached identities; the oldest go first
LIBRARIES = ("torch", "torchvision", "transformers", "sentence-transformers", "tokenizers", "pillow")

# Keys of a model's config that say where it came from or how it is trained, called or printed.
BOOKKEEPING = frozenset(
    {
        "_name_or_path",
        "name_or_path",
        "_commit_hash",
        "transformers_version",
        "architectures",
        "auto_map",
        "dtype",  # the effective dtype is a part of its own
        "torch_dtype",
        "use_cache",
        "gradient_checkpointing",
        "initializer_range",
        "initializer_factor",
        "id2label",
        "label2id",
        "problem_type",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "tokenizer_class",
        "processor_class",
        "image_processor_type",  # the class enters by name, without the suffix of its backend
        "feature_extractor_type",
        "_attn_implementation",
        "_attn_implementation_autoset",
    }
)


@dataclass(frozen=True, kw_only=True)
class EncoderIdentity:
    """A hash or a short value for each loaded part that can move a vector."""

    parts: Mapping[str, str]
    dim: int
    max_tokens: int | None

    def version(self, segmenting: Mapping[str, object]) -> str:
        """Return the encoder version: 12 hex digits over the parts and how media is cut into segments."""
        return canonical_hash({"parts": dict(self.parts), "segmenting": dict(segmenting)})[:12]


def canonical_hash(value: object) -> str:
    """Return the sha256 of a value's canonical JSON."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def hash_tensors(named: Iterable[tuple[str, "Tensor"]]) -> str:
    """Return the sha256 over name, dtype, shape and bytes of each tensor, in the order of their names.

    Takes the state dict of the loaded model, not the tensors of its file: a file may hold buffers
    that the library drops, under names that it changes.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(named, key=lambda pair: pair[0]):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_config(mapping: Mapping[str, Any]) -> str:
    """Hash a config without its bookkeeping keys, at every depth."""
    return canonical_hash(_without_bookkeeping(mapping))


def hash_tokenizer(serialised: str) -> str:
    """Hash a serialised tokenizer; truncation and padding do not enter: every call sets them."""
    content = json.loads(serialised)
    content.pop("truncation", None)
    content.pop("padding", None)
    return canonical_hash(content)


def identify(
    spec: EncoderSpec,
    *,
    device: str,
    dtype: str,
    resolved: ResolvedModel,
    load: Callable[[], Encoder],
) -> EncoderIdentity:
    """Return the identity of the spec's encoder, from the cache if its files are untouched, else by loading it.

    A hit imports neither torch nor transformers. `device` does not enter: it moves no vector.
    """
    key = _cache_key(spec, dtype, resolved)
    cache = _read_cache()
    if resolved.files and key in cache:
        return EncoderIdentity(**cache[key])
    encoder = load()
    identity = EncoderIdentity(parts=dict(encoder.identity()), dim=encoder.dim, max_tokens=encoder.max_tokens)
    if resolved.files:  # an encoder without files can change without a trace
        _write_cache(key, identity)
    return identity


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """List the parts in which two identities differ: "weights: 1a2b… → 3c4d…"."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after:
            lines.append(f"{name}: {_short(before)} → {_short(after)}")
    return lines


def cache_file() -> Path:
    """Return the file that caches identities: $XDG_CACHE_HOME or ~/.cache, embed-assets/identities.json."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "embed-assets" / "identities.json"


def _cache_key(spec: EncoderSpec, dtype: str, resolved: ResolvedModel) -> str:
    return canonical_hash(
        {
            "format": FORMAT,
            "files": [(path, size, mtime_ns) for _, path, size, mtime_ns in resolved.files],
            "spec": {
                "family": spec.family,
                "tap": spec.tap,
                "pooling": spec.pooling,
                "unit_length": spec.unit_length,
                "truncate_dim": spec.truncate_dim,
                "query_prompt": spec.query_prompt,
                "document_prompt": spec.document_prompt,
                "max_tokens": spec.max_tokens,
                "modalities": spec.modalities,
                "options": spec.options,
            },
            "dtype": dtype,
            "libraries": {name: installed(name) for name in LIBRARIES},
        }
    )


@cache  # a process has what it imported
def installed(name: str) -> str | None:
    """Return the version of a library that is installed, or None."""
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return None


def _read_cache() -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent or torn: it is only a cache
        return {}
    identities = content.get("identities") if isinstance(content, dict) else None
    if not isinstance(identities, dict):
        return {}
    fields = {"parts", "dim", "max_tokens"}
    return {key: entry for key, entry in identities.items() if isinstance(entry, dict) and set(entry) == fields}


def _write_cache(key: str, identity: EncoderIdentity) -> None:
    entry = {"parts": dict(identity.parts), "dim": identity.dim, "max_tokens": identity.max_tokens}
    others = [(name, value) for name, value in _read_cache().items() if name != key]
    identities = dict([*others[-(LIMIT - 1) :], (key, entry)])
    file = cache_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as stream:
            json.dump({"identities": identities}, stream)
        Path(stream.name).replace(file)
    except OSError:  # a read-only home costs the cache, not the run
        return


def _without_bookkeeping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_bookkeeping(v) for k, v in value.items() if k not in BOOKKEEPING}
    if isinstance(value, (list, tuple)):
        return [_without_bookkeeping(item) for item in value]
    return value


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    if len(value) == 64 and set(value) <= set("0123456789abcdef"):
        return f"{value[:4]}…"
    return value if len(value) <= 60 else f"{value[:59]}…"
