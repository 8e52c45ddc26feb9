"""Vectors of a model by sentence-transformers with its defaults: a list of texts comes in, an array is written."""

import json
import sys

import numpy as np
from sentence_transformers import SentenceTransformer

if __name__ == "__main__":
    model, target = sys.argv[1:]
    encoder = SentenceTransformer(model, device="cpu")
    np.save(target, encoder.encode(json.load(sys.stdin), normalize_embeddings=True, show_progress_bar=False))
