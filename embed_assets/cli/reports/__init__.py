"""embed-assets report: one file a report."""
