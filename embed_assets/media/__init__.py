"""Media: list, hash, sniff, decode and segment files, wherever fsspec reaches."""
