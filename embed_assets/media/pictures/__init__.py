"""Pictures: decoded upright in RGB, and frames of animated ones."""
