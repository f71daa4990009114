"""Experiments with the memories of a generator: procedural truth, controlled errors, figures."""
