"""The only place that calls GL."""
