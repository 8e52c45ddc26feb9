"""Kinds: what a file is, by its bytes and by the decoders of installed packages."""
