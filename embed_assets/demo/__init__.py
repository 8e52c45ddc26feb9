"""Demo without network: a corpus, judged queries and a tiny CLIP model."""
