"""Drift: whether new items, or queries, are of another kind than those that a version was checked with."""
