"""Every command, the bake, and the readers of foreign formats."""
