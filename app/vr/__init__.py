"""A headset: OpenXR gives poses and takes pictures, one for each eye."""
