"""Search: read what was promoted, and nothing else."""
