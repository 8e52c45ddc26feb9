"""Quality: recall, ranking metrics and projections; numpy only."""
