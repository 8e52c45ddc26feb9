"""The Lance store: manifest, vector tables, indices, releases and serving pointers."""
