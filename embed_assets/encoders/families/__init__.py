"""Encoder families, one file each, named after the family: its class, its FAMILY, and the ENCODERS it declares."""
