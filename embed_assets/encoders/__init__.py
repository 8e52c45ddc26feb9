"""Encoders: what turns segments and queries into vectors; their families are in families/."""
