"""A world in a browser: one port that serves a page and, over a WebSocket, the pictures it shows."""
