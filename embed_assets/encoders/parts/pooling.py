"""Pooling: from one vector per token to one vector per text, as sentence-transformers defines it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def pool(tokens: "Tensor", mask: "Tensor", modes: Sequence[str]) -> "Tensor":
    """float32 (batch, len(modes) * width) from tokens (batch, length, width) and their mask.

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
