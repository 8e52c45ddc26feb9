"""Files: list and read a source, local or in an object store, and cache remote files locally."""
