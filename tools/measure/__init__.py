"""What `voxtide profile` and `voxtide stress` run. Poses never come from a clock."""
