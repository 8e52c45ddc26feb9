"""Models with random weights, lively enough that two inputs get two vectors, saved as users have them."""

from pathlib import Path
from typing import Any

import numpy as np


def enliven(model: Any, seed: int) -> Any:
    """Eval mode and weights at which signals neither die nor explode over the layers."""
    import torch

    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=(2 / parameter[0].numel()) ** 0.5)
    return model.eval()


def saved(config: Any, folder: Path, *parts: Any, seed: int = 5) -> Path:
    """A folder with AutoModel's model of a config, and its tokenizer or image processor."""
    import torch
    from transformers import AutoModel

    torch.manual_seed(seed)  # vectors and single numbers keep what the constructor drew
    enliven(AutoModel.from_config(config), seed).save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def unit(vectors: Any) -> np.ndarray:
    """The rows at length one, in float64."""
    rows = np.asarray(vectors, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal within 1e-5, and not because all rows are one."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
