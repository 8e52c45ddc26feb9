"""Content hashes: equal bytes have equal hashes, whatever the file is called."""

import hashlib


def content_hash(data: bytes) -> str:
    """Return the sha256 of a file's bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def text_hash(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes; a lone surrogate, which JSON can hold, does not fail."""
    return content_hash(text.encode("utf-8", "surrogatepass"))
