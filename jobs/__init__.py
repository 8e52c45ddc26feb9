"""This deployment's definitions: what workspace.yaml loads, its schedule and sensors."""
