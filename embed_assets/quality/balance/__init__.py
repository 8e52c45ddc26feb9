"""Balance: what an index holds by label, source, length and time, and who is served worse."""
