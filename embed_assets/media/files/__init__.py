"""Files: a source listed and read, locally or in an object store, and what a sidecar says of them."""
