"""The embed-assets command: one file per command."""
