"""Parts of the sentence-transformers family: layout of a folder, tokens, pooling."""
