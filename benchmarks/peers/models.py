"""Three models of one architecture, and the vectors that each gives to the texts that are looked at."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from change import swap_weights

from embed_assets.demo.encoders import minilm_folder

NAMES = ("first", "second", "third")


def write_models(folder: Path) -> None:
    """MiniLM, and two more whose weights differ from it and from each other by some 5 % of their spread."""
    for seed, name in enumerate(NAMES):
        shutil.copytree(minilm_folder(), folder / name)
        if seed:
            swap_weights(folder / name, seed=seed)


def vectors_of(model: Path, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors by sentence-transformers itself, float32, (texts, 384), of length 1.

    In a process of its own: `datasets.py` beside the benchmarks would be taken for the library of that name.
    """
    target = model.parent / f"{model.name}.npy"
    command = [sys.executable, str(Path(__file__).with_name("reference_vectors.py")), str(model), str(target)]
    subprocess.run(command, input=json.dumps(list(texts)), text=True, check=True)
    return np.load(target)
