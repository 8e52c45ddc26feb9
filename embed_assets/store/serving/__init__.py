"""Releases: indices, candidates, serving pointers, and the nearest rows of one."""
