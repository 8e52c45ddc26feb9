"""Metrics of rankings, and how sure they are."""
