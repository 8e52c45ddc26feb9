"""Reranker: a cross-encoder that reads the query's words beside each text, and orders the first items again."""

import threading
from functools import cached_property
from typing import Any

from embed_assets.encoders.loading.device import resolve_device
from embed_assets.encoders.loading.find_weights import ResolvedModel, resolve_model
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.search.fuse_rankings import Fused
from embed_assets.settings import ComputeSettings

_BATCH = 16
_SHORT = 12  # digits of a revision or of files' hash


class Reranker:
    """sentence-transformers' CrossEncoder of a hub id or folder, loaded at its first use."""

    def __init__(self, model: str, compute: ComputeSettings) -> None:
        """Take the model's name. Raises WeightsError at its first use where there are no safe weights of that name."""
        self.model = model
        self._compute = compute
        self._lock = threading.Lock()

    @cached_property
    def _resolved(self) -> ResolvedModel:
        spec = EncoderSpec(
            name="reranker", family="sentence", model=self.model, modalities=("text",), media=(), space="reranker"
        )
        return resolve_model(spec, offline=self._compute.offline)

    @property
    def version(self) -> str:
        """The model with the commit of a hub id, or what its files are: equal version, equal order."""
        if self._resolved.revision:
            return f"{self.model}@{self._resolved.revision[:_SHORT]}"
        import hashlib
        from pathlib import Path

        digest = hashlib.sha256()
        for name, path, _, _ in sorted(self._resolved.files):
            digest.update(name.encode())
            with Path(path).open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return f"{self.model}@{digest.hexdigest()[:_SHORT]}"

    @cached_property
    def _encoder(self) -> Any:
        from sentence_transformers import CrossEncoder  # 4 s, paid by the first query that is reranked

        return CrossEncoder(
            str(self._resolved.path),
            device=resolve_device(self._compute.device),
            trust_remote_code=False,
            local_files_only=True,
        )

    def reordered(self, items: list[Fused], words: str, *, most: int) -> list[Fused]:
        """Return the items with the first `most` that have a text ordered by the cross-encoder; the others behind."""
        head = [item for item in items[:most] if item.best.rows[0]["text"]]
        if not head:
            return items
        pairs = [(words, item.best.rows[0]["text"]) for item in head]
        with self._lock:
            scores = self._encoder.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        for item, score in zip(head, scores, strict=True):
            item.rerank_score = round(float(score), 4)
        head.sort(key=lambda item: -(item.rerank_score or 0.0))
        ordered = {id(item) for item in head}
        return [*head, *(item for item in items if id(item) not in ordered)]
