"""Dagster: definitions built from settings. Read pipeline.py first."""

from embed_assets.math_threads import let_math_threads_sleep

let_math_threads_sleep()  # before anything here imports numpy
