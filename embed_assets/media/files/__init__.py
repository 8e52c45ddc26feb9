"""Files: a source listed and read, locally or in an object store, and a local copy of what was fetched."""
