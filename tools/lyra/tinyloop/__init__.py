"""TinyLoop: a small world model of our own, trained on procedural scenes, that runs Lyra 2's loop end to end.

Only the files that say so import torch; the rest (scenes, walks, conditions, weights' headers) is NumPy.
"""
