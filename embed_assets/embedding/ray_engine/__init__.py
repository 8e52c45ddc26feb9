"""The engine ray: items of a plan are read and encoded by actors of a Ray cluster, and written by this process."""
