"""The window, the camera and the frame. GL only in `render`."""
