"""Embedding: what is stale, and the loop that encodes it."""
