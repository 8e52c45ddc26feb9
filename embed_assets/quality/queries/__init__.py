"""Queries that versions are measured with: judged, held out, unrelated."""
