"""Kinds of sinks, each a module with a SINK; those are found by being in this folder."""
