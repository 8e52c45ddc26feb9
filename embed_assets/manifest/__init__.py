"""Manifest: a listing compared with the manifest, and what an encoder version has pending."""
