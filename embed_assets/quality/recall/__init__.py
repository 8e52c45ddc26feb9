"""Recall of the ANN index: without a filter, and under filters."""
