"""Isolation: decoders in worker processes, bounded in time and memory."""
