"""Kinds: detection of a file's kind by its bytes, built in and by the decoders of installed packages."""
