"""Generators: one picture and a camera's way -> frames with depth, step by step. See README.md."""
