"""Report assets: what the index holds and which encoder is better, measured on bounded samples."""
