"""The parts of `benchmarks/peers.py`; each driver runs in its tool's own virtual environment."""
