"""The panel: what the user sees of the session and may change. imgui, and no GL."""
