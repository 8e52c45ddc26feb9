"""Upkeep: maintenance, repair and retirement of what a store holds."""
