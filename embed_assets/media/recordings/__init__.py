"""Recordings: sounds as mono samples, videos as clips of frames."""
