"""Demo without network: a corpus, labelled queries and a tiny CLIP model."""
