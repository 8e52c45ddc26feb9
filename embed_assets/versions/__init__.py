"""Encoder versions: resolved from settings, loaded again, checked by canaries."""
