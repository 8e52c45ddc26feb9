"""Routes: one file per path."""
