"""Dagster assets that keep a multimodal LanceDB embedding index fresh, checked and cheap."""

__version__ = "0.1.0"
