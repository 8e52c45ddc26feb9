"""Stores in object storage: what is required of a bucket, and its options as Lance names them."""
