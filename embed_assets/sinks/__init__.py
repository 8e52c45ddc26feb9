"""Sinks: places outside the store that hold what a space serves, kept up to date by what changed."""
