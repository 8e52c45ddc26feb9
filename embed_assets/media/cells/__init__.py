"""Cells of tables as text, labels, JSON and Python values."""
