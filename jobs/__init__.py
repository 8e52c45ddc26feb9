"""This deployment's definitions: what workspace.yaml loads."""
