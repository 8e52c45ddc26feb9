"""Runs of Dagster: where they execute, whether they are alive, which are kept."""
