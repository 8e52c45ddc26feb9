"""Runs of Dagster: whether they are alive, and which finished ones are kept."""
