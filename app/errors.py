"""What this room raises for the user's ears."""


class GraphicsError(Exception):
    """No usable GL or window here: one line that says what to do."""
