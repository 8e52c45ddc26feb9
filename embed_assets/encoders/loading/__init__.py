"""Loading: the files of a model, checked, and the identity of what was loaded."""
