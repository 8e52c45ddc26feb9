"""Pooling: from one vector per token to one vector per text, as sentence-transformers defines it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def pool(tokens: "Tensor", mask: "Tensor", modes: Sequence[str]) -> "Tensor":
    """Return float32 (batch, len(modes) * width) from tokens (batch, length, width) and their mask.

    In float32 whatever the model ran in: sums over tokens lose digits in half precision.
    """
    import torch

    tokens = tokens.float()
    return torch.cat([_pool(tokens, mask, mode) for mode in modes], dim=-1)


def _pool(tokens: "Tensor", mask: "Tensor", mode: str) -> "Tensor":
    import torch

    rows = torch.arange(len(tokens), device=tokens.device)
    first = mask.int().argmax(dim=1)  # not 0 where padding is on the left
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    if mode == "cls":
        return tokens[rows, first]
    if mode == "lasttoken":
        return tokens[rows, first + mask.sum(dim=1) - 1]
    if mode == "max":
        return tokens.masked_fill(weights == 0, float("-inf")).amax(dim=1)
    if mode == "weightedmean":
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device).unsqueeze(0) - first.unsqueeze(1)
        weights = weights * places.unsqueeze(-1)
    total = (tokens * weights).sum(dim=1)
    count = weights.sum(dim=1).clamp(min=1e-9)
    return total / (count.sqrt() if mode == "mean_sqrt_len_tokens" else count)


def pool_arrays(tokens: np.ndarray, mask: np.ndarray, modes: Sequence[str]) -> np.ndarray:
    """Return what `pool` does, from arrays: tokens float32 (batch, length, width), mask int64 (batch, length)."""
    return np.concatenate([_pool_arrays(tokens, mask, mode) for mode in modes], axis=-1)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return float32 rows of length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12, dtype=np.float32)


def _pool_arrays(tokens: np.ndarray, mask: np.ndarray, mode: str) -> np.ndarray:
    rows, first = np.arange(len(tokens)), mask.argmax(axis=1)  # not 0 where padding is on the left
    weights = mask[..., None].astype(np.float32)
    if mode == "cls":
        return tokens[rows, first]
    if mode == "lasttoken":
        return tokens[rows, first + mask.sum(axis=1) - 1]
    if mode == "max":
        return np.where(weights == 0, np.float32("-inf"), tokens).max(axis=1)
    if mode == "weightedmean":
        places = np.arange(1, tokens.shape[1] + 1)[None, :] - first[:, None]
        weights = weights * places[..., None].astype(np.float32)
    total = np.einsum("blw,bl->bw", tokens, weights[..., 0])
    count = np.maximum(weights.sum(axis=1), np.float32(1e-9))
    return total / (np.sqrt(count) if mode == "mean_sqrt_len_tokens" else count)
