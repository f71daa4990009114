"""The light that the settings describe. Pure."""

import math

from .render.renderer import Light
from .settings import Settings


def light_from(settings: Settings, extent_voxels: float) -> Light:
    """The light that the settings describe, in a world whose diagonal is so long."""
    extent = max(extent_voxels, 1.0)
    azimuth, height = math.radians(settings.sun_azimuth_deg), math.radians(settings.sun_elevation_deg)
    sun = math.cos(azimuth) * math.cos(height), math.sin(azimuth) * math.cos(height), math.sin(height)
    haze = -math.log(1 - min(settings.haze_percent, 99.0) / 100) / extent
    return Light(haze, extent, settings.shadows, sun, 2.0**settings.exposure_stops)
