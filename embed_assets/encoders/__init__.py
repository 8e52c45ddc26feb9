"""Encoders: what turns segments and queries into vectors, one file per family."""
