"""Dagster: definitions built from settings. Read pipeline.py first."""
