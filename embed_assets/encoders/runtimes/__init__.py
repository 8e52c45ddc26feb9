"""Runtimes: what runs a model's networks; torch, or OpenVINO on a CPU. No part of the encoder version."""
