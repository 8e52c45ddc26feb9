"""The state of a model's files, without loading it: a hub's newest commit, or a digest of local sizes and times."""

import hashlib
import os
from pathlib import Path

from embed_assets.encoders.loading.find_weights import FILELESS, TORCHVISION, is_hub_id, resolve_model
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import WeightsError

_SECONDS = 20  # for the hub's answer; a sensor's tick has sixty


def model_state(spec: EncoderSpec, *, offline: bool = False) -> str:
    """Return a text that changes when the model's files do.

    Raises WeightsError, with the reason, for a model that can't move (a pinned revision, published weights, code
    alone), one whose files are not accessible (an API), and a hub that can't be reached.
    """
    if Path(spec.model).expanduser().exists():
        return _digest(spec)
    if spec.model.startswith((*FILELESS, TORCHVISION)) or not is_hub_id(spec.model):
        raise WeightsError(f"{spec.model} is neither a hub id nor local files: it has no revisions.")
    if spec.revision is not None:
        raise WeightsError(f"{spec.model} is pinned to {spec.revision}; it moves when the settings do.")
    if offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        raise WeightsError(f"{spec.model}: compute.offline or HF_HUB_OFFLINE forbids requests to the hub.")
    return _commit(spec.model)


def _digest(spec: EncoderSpec) -> str:
    digest = hashlib.sha256()
    for name, _, size, changed in resolve_model(spec, offline=True).files:
        digest.update(f"{name}\0{size}\0{changed}\n".encode())
    return f"files {digest.hexdigest()[:12]}"


def _commit(model: str) -> str:
    from huggingface_hub import HfApi

    try:
        commit = HfApi().model_info(model, timeout=_SECONDS).sha
    except Exception as error:  # the client raises its own, httpx's and OSError
        raise WeightsError(f"Can't reach the hub for {model} ({type(error).__name__}): {error}") from error
    if commit is None:
        raise WeightsError(f"The hub names no commit of {model}.")
    return commit
