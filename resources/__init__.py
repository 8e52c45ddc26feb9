"""This deployment's resources: which pipeline, on which device, in which store."""
