"""How the items of an encoder version are encoded: here, or by the workers of a cluster."""
