"""Noise: how much worse an encoder finds things under typos, compression, shifts, noise and resampling."""
